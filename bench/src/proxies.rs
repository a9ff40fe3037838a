//! What is compared: an origin, nginx as a plain proxy before it, our edge before it; and what drives them.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};

use crate::{
    account::{Account, EDGE_TOKEN},
    process::{Running, free_port, latchkey, local},
};

/// A proxy or an origin that listens.
pub struct Listening {
    /// Its port on the loopback.
    pub port: u16,
    _process: Running,
}

/// nginx with `server` as the one server block, in `folder`; `PORT` in it is replaced.
pub fn nginx(folder: &Path, server: &str) -> anyhow::Result<Listening> {
    let port = free_port()?;
    fs::create_dir_all(folder)?;
    let file = folder.join("nginx.conf");
    let text = format!(
        "daemon off; pid {dir}/pid; error_log {dir}/error.log; worker_processes 2; worker_rlimit_nofile 8192;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; default_type text/html; types {{ text/html html; }} charset utf-8; keepalive_requests 10000000;\n\
         client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n{server}\n}}\n",
        dir = folder.display(),
        server = server.replace("PORT", &port.to_string()),
    );
    fs::write(&file, text)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(folder.join("error.log")).arg("-c").arg(&file);
    Ok(Listening {
        port,
        _process: Running::start(&mut command, port)?,
    })
}

/// An origin that serves `page` at every address, never to be stored.
pub fn origin(folder: &Path, page: &str) -> anyhow::Result<Listening> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("article.html"), page)?;
    nginx(
        folder,
        &format!(
            "server {{ listen 127.0.0.1:PORT; root {}; add_header Cache-Control no-store; location / {{ try_files /article.html =404; }} }}",
            folder.display()
        ),
    )
}

/// nginx as a plain proxy, with connections to the origin kept open.
pub fn plain_proxy(folder: &Path, origin: u16) -> anyhow::Result<Listening> {
    nginx(
        folder,
        &format!(
            "upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}\n\
             server {{ listen 127.0.0.1:PORT; location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}"
        ),
    )
}

/// Our edge, as the real program, before `origin`.
pub fn edge(folder: &Path, account: &Account, account_port: u16, port: u16, origin: u16) -> anyhow::Result<Listening> {
    fs::create_dir_all(folder)?;
    let file = folder.join("latchkey.toml");
    let text = format!(
        "[instance]\npublication = \"The Harbour Post\"\naccount_origin = \"{issuer}\"\n\
         [edge]\nlisten = \"127.0.0.1:{port}\"\nserver_url = \"http://127.0.0.1:{account_port}/\"\nbundle_key = \"{kid}\"\n\
         [[site]]\nid = \"sit_news\"\nhosts = [\"news.localhost:{port}\"]\norigin = \"http://127.0.0.1:{origin}/\"\n\
         [[plan]]\nid = \"pln_supporter\"\nname = \"Supporter\"\nentitlements = \"ad_free\"\n\
         [[plan.price]]\nid = \"prc_monthly\"\nstripe_price = \"price_1\"\ncurrency = \"eur\"\namount_minor = 500\ninterval = \"month\"\n",
        issuer = account.issuer(),
        kid = account.bundle_kid(),
    );
    fs::write(&file, text)?;
    let mut command = Command::new(latchkey()?);
    command
        .arg("--config")
        .arg(&file)
        .arg("edge")
        .env("LATCHKEY_EDGE_TOKEN", EDGE_TOKEN)
        .env("LATCHKEY_LOG", "warn");
    Ok(Listening {
        port,
        _process: Running::start(&mut command, port)?,
    })
}

/// What one round of load gave.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Answers a second.
    pub per_second: f64,
    /// 99th percentile of the latency, in milliseconds.
    pub p99_ms: f64,
}

/// 32 connections from two threads of wrk for `seconds`. Answers other than 2xx and 3xx are an error: they would be quick.
pub fn load(port: u16, host: &str, cookie: &str, seconds: u32) -> anyhow::Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["-t2", "-c32", "--latency", &format!("-d{seconds}s")]);
    for header in [
        format!("Host: {host}"),
        "Accept: text/html,*/*;q=0.8".to_owned(),
        "Sec-Fetch-Mode: navigate".to_owned(),
        "Sec-Fetch-Dest: document".to_owned(),
        format!("Cookie: {cookie}"),
    ] {
        command.arg("-H").arg(header);
    }
    let output = command
        .arg(format!("http://{}/town/the-gauge-at-the-pier", local(port)))
        .output()
        .context("starting wrk (bench/page installs it)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("wrk met errors:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let word = |line: &str| {
        let line = text.lines().find(|text| text.trim_start().starts_with(line))?;
        line.split_whitespace().last().map(str::to_owned)
    };
    let per_second = word("Requests/sec:").and_then(|number| number.parse().ok());
    let p99_ms = word("99%").and_then(|number| milliseconds(&number));
    let (Some(per_second), Some(p99_ms)) = (per_second, p99_ms) else {
        bail!("wrk's answer cannot be read:\n{text}");
    };
    Ok(Load { per_second, p99_ms })
}

/// A duration as wrk writes it (`870.00us`, `1.20ms`, `2.00s`).
fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = [("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)]
        .into_iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))?;
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn durations_of_wrk_are_read_in_each_unit() {
        for (text, want) in [
            ("870.00us", 0.87),
            ("1.20ms", 1.2),
            ("2.00s", 2000.0),
            ("1.00m", 60_000.0),
        ] {
            assert!((milliseconds(text).unwrap() - want).abs() < 1e-9, "{text}");
        }
        assert!(milliseconds("fast").is_none());
    }
}
