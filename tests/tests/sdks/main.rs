//! Stripe's own SDKs as clients of the sandbox over HTTP: what they understand is what Stripe would say.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, extract, routing::post};
use latchkey_stripe_sandbox::{Fault, Sandbox, SandboxClock, SandboxConfig, bind};
use tokio::runtime::Runtime;

const KEY: &str = "sk_test_sandbox_sdks0123456789";
/// How long a flow may take; it takes about two seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// The folder into which `tests/run` installed the SDKs; `None`, said loudly, where it did not.
#[expect(clippy::disallowed_methods, reason = "tests/run says where the SDKs are")]
fn sdks(test: &str) -> Option<PathBuf> {
    let Ok(folder) = std::env::var("LATCHKEY_TEST_STRIPE_SDKS") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "LATCHKEY_TEST_STRIPE_SDKS is not set (tests/run sets it)"
        );
        eprintln!("SKIPPED: {test} needs Stripe's SDKs (tests/run installs them and sets LATCHKEY_TEST_STRIPE_SDKS)");
        return None;
    };
    Some(PathBuf::from(folder))
}

#[expect(clippy::disallowed_methods, reason = "the SDKs have the system's clock")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis().try_into().unwrap()
}

/// A sandbox with its pages, and a door by which a flow asks for the next call to fail.
async fn sandbox() -> (String, String) {
    let any = || bind("127.0.0.1:0".parse().unwrap());
    let (api, pages) = (any().await.unwrap(), any().await.unwrap());
    let address = |listener: &tokio::net::TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let addresses = (address(&api), address(&pages));
    let config = SandboxConfig {
        secret_key: KEY.to_owned(),
        webhook_url: None,
        webhook_secret: "whsec_sandbox_sdks".to_owned(),
        public_url: addresses.1.clone(),
        data: None,
    };
    let sandbox = Sandbox::open(config, Arc::new(SandboxClock::new(now))).unwrap();
    sandbox.start_deliveries();
    let failing = Arc::clone(&sandbox);
    let fail = move |extract::Path(fault): extract::Path<String>| {
        let fault = match fault.as_str() {
            "rate_limited" => Fault::RateLimited { retry_after_seconds: 0 },
            "server_error" => Fault::ServerError,
            "lock_timeout" => Fault::LockTimeout,
            other => panic!("no fault {other}"),
        };
        failing.control().fail_next_calls(1, fault);
        async {}
    };
    let door = Router::new()
        .route("/fail/{fault}", post(fail))
        .merge(sandbox.pages_router());
    tokio::spawn(async move { axum::serve(pages, door).await });
    let router = sandbox.api_router();
    tokio::spawn(async move { axum::serve(api, router).await });
    addresses
}

/// Runs a flow; what it prints is shown if it fails.
#[track_caller]
fn flow(mut command: Command, script: &str) {
    let runtime = Runtime::new().unwrap();
    let (api, pages) = runtime.block_on(sandbox());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks").join(script);
    let mut child = command
        .arg(script)
        .args([&api, &pages, KEY])
        .env("NO_PROXY", "*")
        .env("no_proxy", "*")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the SDK's language is installed");
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("whole flow done"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn stripes_python_library_lives_a_whole_flow_with_the_sandbox() {
    if let Some(folder) = sdks("stripes_python_library_lives_a_whole_flow_with_the_sandbox") {
        flow(Command::new(folder.join("py/bin/python")), "flow.py");
    }
}

#[test]
fn stripes_node_library_lives_a_whole_flow_with_the_sandbox() {
    if let Some(folder) = sdks("stripes_node_library_lives_a_whole_flow_with_the_sandbox") {
        let mut node = Command::new("node");
        node.env("STRIPE_NODE", folder.join("node_modules/stripe"));
        flow(node, "flow.cjs");
    }
}
