//! Processes that end with the measurement, and the ports between them.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// How long a process may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is ended when this is dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts `command` with its output thrown away, and waits until something listens on `port`.
    pub fn start(command: &mut Command, port: u16) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let mut running = Self(child);
        let until = Instant::now() + PATIENCE;
        loop {
            if TcpStream::connect_timeout(&local(port), Duration::from_secs(1)).is_ok() {
                return Ok(running);
            }
            if let Some(status) = running.0.try_wait()? {
                bail!("{name} ended before it listened: {status}");
            }
            if Instant::now() > until {
                bail!("{name} does not listen on port {port} after {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An address of the loopback.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A port that was free a moment ago.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
}

/// The optimised program `latchkey`, beside the folder of this measurement's own build.
pub fn latchkey() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let target = here.parent().and_then(Path::parent).context("the folder of builds")?;
    let program = target.join("release/latchkey");
    if !program.exists() {
        bail!(
            "{} is missing; start measurements by the scripts in bench/, which build it",
            program.display()
        );
    }
    Ok(program)
}
