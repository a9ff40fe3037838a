//! A publisher's own server, which knows nothing of us: nginx over TLS, with a certificate of an authority of its own.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::equipment::{Running, eventually, free_port};

/// A page as publishers' systems write them: absolute addresses of their own host in every form, and an ad.
const FRONT: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The Gazette</title>
<meta http-equiv="Content-Security-Policy" content="upgrade-insecure-requests; base-uri https:">
<base href="https://HOST/">
<link rel="canonical" href="https://HOST/"><link rel="stylesheet" href="//HOST/site.css">
<script type="application/ld+json">{"@type":"WebSite","url":"https:\/\/HOST\/"}</script>
<script nonce="abc" src="https://pagead2.googlesyndication.com/pagead/js/adsbygoogle.js"></script>
<script defer src="https://HOST/site.js" integrity="sha256-CHECKSUM"></script>
</head><body><h1>The Gazette</h1>
<p><a id="absolute" href="https://HOST/story.html">Absolute</a> <a id="relative" href="story.html">Relative</a>
<a id="protocol" href="//HOST/story.html">Without a scheme</a> <a id="moved" href="/moved">Moved</a>
<a id="elsewhere" href="https://HOST.elsewhere.example/">Elsewhere</a></p>
<img alt="" width="1" height="1" src="https://HOST/a.png" srcset="https://HOST/a.png 1x, https://HOST/b.png 2x">
<ins class="adsbygoogle"></ins>
<form method="post" action="https://HOST/form"><button id="send">Send</button></form>
</body></html>
"#;
/// Puts a link on the page that is in no page.
const SCRIPT: &str = r#"fetch("https://HOST/latest.json").then((answer) => answer.json()).then((latest) => {
  const link = document.createElement("a");
  link.id = "latest";
  link.href = latest.url;
  link.textContent = "Latest";
  document.querySelector("p").append(" ", link);
});
"#;
const STORY: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>A story</title></head><body><h1>A story</h1>\n\
    <p>The gauge at the pier has a needle.</p><ins class=\"adsbygoogle\"></ins></body></html>\n";

const SERVER: &str = r#"daemon off; pid DIR/pid; error_log DIR/error.log; worker_processes 1;
events { worker_connections 512; }
http {
  access_log off; default_type application/octet-stream; charset utf-8;
  types { text/html html; text/css css; text/plain txt; text/javascript js; application/json json; }
  client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  gzip on; gzip_min_length 0; gzip_vary on;
  server {
    listen 127.0.0.1:PORT ssl; server_name localhost; absolute_redirect off; root DIR/site; index front.html;
    # As frameworks do behind a TLS terminator: to https, and no host but their own.
    if ($http_x_forwarded_proto = http) { return 301 https://HOST$request_uri; }
    if ($http_x_forwarded_host !~ "^(HOST)?$") { return 400; }
    ssl_certificate DIR/site.pem; ssl_certificate_key DIR/site.key;
    add_header Strict-Transport-Security "max-age=31536000; includeSubDomains; preload";
    add_header Alt-Svc 'h3=":PORT"; ma=86400';
    add_header Content-Security-Policy "upgrade-insecure-requests; default-src https://HOST data: 'unsafe-inline'; script-src https: 'nonce-abc'; style-src HOST 'unsafe-inline'; connect-src https:; form-action 'self' https://HOST http://account.localhost:*";
    add_header Set-Cookie "seen=1; Domain=localhost; Path=/; Secure; HttpOnly; SameSite=None";
    location = /moved { return 301 https://HOST/story.html; }
    location = /moved-too { return 302 //HOST/story.html; }
    location = /refresh { add_header Refresh "0; url=https://HOST/story.html"; return 200 "<p>Soon.</p>"; default_type text/html; }
    location = /form { return 303 https://HOST/story.html; }
    location = /broken { return 500; }
    location / { }
  }
}
"#;

/// The server, running.
pub(crate) struct RealSite {
    folder: TempDir,
    port: u16,
    process: Option<Running>,
}

impl RealSite {
    /// Starts it on a port of its own.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut site = Self {
            folder,
            port: free_port(),
            process: None,
        };
        site.certify();
        let root = site.path("site");
        fs::create_dir_all(&root).expect("a folder");
        fs::write(root.join("site.js"), SCRIPT.replace("HOST", &site.host())).expect("a script");
        let front = FRONT.replace("CHECKSUM", &site.checksum("site.js"));
        for (name, text) in [
            ("front.html", front.as_str()),
            ("latest.json", r#"{"url":"https:\/\/HOST\/story.html"}"#),
            ("story.html", STORY),
            ("site.css", "body { background: url(https://HOST/a.png) }\n"),
            ("digits.txt", "0123456789 https://HOST/\n"),
        ] {
            fs::write(root.join(name), text.replace("HOST", &site.host())).expect("a page");
        }
        for (name, folder) in real_pages() {
            fs::copy(folder.join("source.html"), root.join(format!("{name}.html"))).expect("a page");
        }
        let text = SERVER
            .replace("HOST", &site.host())
            .replace("PORT", &site.port.to_string())
            .replace("DIR", &site.folder.path().display().to_string());
        fs::write(site.path("nginx.conf"), text).expect("a configuration");
        site.run().await;
        site
    }

    /// Starts the server, once more if it was stopped.
    pub(crate) async fn run(&mut self) {
        let server = Command::new("nginx")
            .arg("-e")
            .arg(self.path("error.log"))
            .arg("-c")
            .arg(self.path("nginx.conf"))
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx starts");
        self.process = Some(Running(server));
        eventually("nginx listens", async || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        })
        .await;
    }

    /// The server is gone.
    pub(crate) fn stop(&mut self) {
        let server = self.process.take().expect("a running server");
        // Its workers go with it only when it is asked in its own way.
        let asked = Command::new("kill")
            .args(["-TERM", &server.0.id().to_string()])
            .status();
        assert!(asked.is_ok_and(|status| status.success()), "nginx was not stopped");
        let mut server = server;
        let _ = server.0.wait();
    }

    /// Name and port by which it knows itself.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The address under which its readers know it.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.host())
    }

    /// The certificate of the authority that signed the server's.
    pub(crate) fn authority(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a page says of a file that it loads (Subresource Integrity).
    fn checksum(&self, name: &str) -> String {
        let made = Command::new("sh")
            .args([
                "-c",
                "openssl dgst -sha256 -binary \"$1\" | openssl base64 -A",
                "sh",
                name,
            ])
            .current_dir(self.path("site"))
            .output();
        String::from_utf8(made.expect("openssl runs").stdout).expect("base64")
    }

    fn certify(&self) {
        let openssl = |arguments: &str| {
            let done = Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(self.folder.path())
                .stderr(Stdio::null())
                .status();
            assert!(done.is_ok_and(|status| status.success()), "openssl {arguments} failed");
        };
        openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Authority -keyout ca.key -out ca.pem");
        openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout site.key -out site.csr");
        fs::write(self.path("names"), "subjectAltName=DNS:localhost\n").expect("a file");
        openssl("x509 -req -in site.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out site.pem");
    }
}

impl Drop for RealSite {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
    }
}

/// Real articles of real publishers, by name: `../shared/pages` beside the repository, or none.
pub(crate) fn real_pages() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pages");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED: real pages need {}", folder.display());
        return vec![];
    };
    let mut pages: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(_, path)| path.join("source.html").is_file() && path.join("expected.html").is_file())
        .collect();
    pages.sort();
    pages
}
