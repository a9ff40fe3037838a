//! The real program, `latchkey serve`, which dies and is started again.

use std::{
    fs::File,
    process::{Child, Command},
    time::Duration,
};

use crate::town::Town;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One life of the server.
pub(crate) struct Server(Child);

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) async fn start(town: &Town) -> Self {
        let said = File::options()
            .create(true)
            .append(true)
            .open(town.folder.path().join("said"))
            .expect("a file");
        let mut path = std::env::current_exe().expect("this test");
        path.pop();
        path.pop();
        let program = path.join("latchkey");
        assert!(program.exists(), "`cargo build` comes before this test");
        let child = Command::new(program)
            .arg("--config")
            .arg(town.folder.path().join("latchkey.toml"))
            .arg("serve")
            .envs(town.secrets())
            .env("LATCHKEY_LOG", "warn")
            .stdout(said.try_clone().expect("the same file"))
            .stderr(said)
            .spawn()
            .expect("the program starts");
        let mut server = Self(child);
        let until = tokio::time::Instant::now() + PATIENCE;
        let health = format!("http://127.0.0.1:{}/healthz", town.port);
        while town.http.get(&health).send().await.is_err() {
            let ended = server.0.try_wait().expect("the program's state");
            let late = tokio::time::Instant::now() > until;
            assert!(
                ended.is_none() && !late,
                "it does not answer ({ended:?}): {}",
                town.said()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        server
    }

    /// SIGKILL: nothing that it holds in memory is ever seen again.
    pub(crate) fn is_killed(&mut self) {
        let ended = self.0.try_wait().expect("the program's state");
        assert!(ended.is_none(), "it died by itself: {ended:?}");
        self.0.kill().expect("SIGKILL");
        self.0.wait().expect("it is gone");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
