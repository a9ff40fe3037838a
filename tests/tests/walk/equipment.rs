//! What the walk needs from the machine, and how it waits.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long the demo, the driver and a page may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at something that is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .expect("a free port")
        .local_addr()
        .expect("its address")
        .port()
}

/// Waits until `holds` does; fails after [`PATIENCE`] with what it waited for.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFnMut() -> bool) {
    within(PATIENCE, what, holds).await;
}

/// The same with a time of its own.
pub(crate) async fn within(time: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = tokio::time::Instant::now() + time;
    while !holds().await {
        assert!(
            tokio::time::Instant::now() < until,
            "waited {time:?} in vain until {what}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The program as `tests/run` built it, next to this test's own.
pub(crate) fn latchkey() -> PathBuf {
    let mut path = std::env::current_exe().expect("this test");
    path.pop();
    path.pop();
    path.join("latchkey")
}

fn on_path(name: &str) -> bool {
    Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Whether the walk can be walked; says loudly what is missing, and fails for it when `CI=true`.
pub(crate) fn is_there() -> bool {
    let missing: Vec<&str> = ["chromium", "chromedriver"]
        .into_iter()
        .filter(|name| !on_path(name))
        .collect();
    if missing.is_empty() && latchkey().exists() {
        return true;
    }
    skip(&format!(
        "needs {missing:?} and {} (tests/run sees to both)",
        latchkey().display()
    ));
    false
}

/// A database of its own on the tests' PostgreSQL server, or none where there is no server.
#[expect(clippy::disallowed_methods, reason = "tests/run says where PostgreSQL is")]
pub(crate) fn postgresql() -> Option<String> {
    let Ok(server) = std::env::var("LATCHKEY_TEST_POSTGRES") else {
        skip("on PostgreSQL needs LATCHKEY_TEST_POSTGRES (tests/run sets it)");
        return None;
    };
    let name = format!("latchkey_walk_{}_{}", std::process::id(), free_port());
    let made = Command::new("psql")
        .arg(&server)
        .args(["-qc", &format!("CREATE DATABASE {name}")])
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "psql could not make a database"
    );
    let (base, _) = server.rsplit_once('/').expect("an address with a database");
    Some(format!("{base}/{name}"))
}

#[expect(clippy::disallowed_methods, reason = "CI tells itself by its environment")]
fn skip(what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "the walk {what}");
    eprintln!("SKIPPED: the walk {what}");
}
