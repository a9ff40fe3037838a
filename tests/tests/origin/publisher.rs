//! A publisher's web server: nginx over TLS for `harbour.example` and `www.harbour.example`, with a certificate of a test authority.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::equipment::{Running, eventually, free_port, latchkey};

const CONFIGURATION: &str = include_str!("nginx.conf");
/// Length of the film, in bytes.
pub(crate) const FILM_BYTES: usize = 100_000;
/// nginx, which ends with the test.
pub(crate) struct Publisher {
    folder: TempDir,
    address: SocketAddr,
    _nginx: Running,
}

impl Publisher {
    /// Starts it. `None` where nginx or openssl is missing, which is an error when `CI=true`.
    pub(crate) async fn start() -> Option<Self> {
        if !is_there() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        certificates(folder.path());
        fs::write(folder.path().join("film.mp4"), vec![7_u8; FILM_BYTES]).expect("a film");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/origin/site");
        let text = CONFIGURATION
            .replace("{dir}", folder.path().to_str().expect("a plain path"))
            .replace("{site}", site.to_str().expect("a plain path"))
            .replace("{port}", &address.port().to_string());
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).expect("a configuration");
        let nginx = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let publisher = Self {
            folder,
            address,
            _nginx: Running(nginx),
        };
        eventually("nginx listens", async || TcpStream::connect(address).is_ok()).await;
        Some(publisher)
    }

    /// Where nginx listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that vouches for the site.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }
}

#[expect(clippy::disallowed_methods, reason = "CI tells itself by its environment")]
fn is_there() -> bool {
    let answers = |name: &str, argument: &str| {
        let mut command = Command::new(name);
        let command = command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if answers("nginx", "-v") && answers("openssl", "version") && latchkey().exists() {
        return true;
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "a real site needs nginx, openssl and the program"
    );
    eprintln!("SKIPPED: a real site needs nginx, openssl and the program (tests/run sees to both)");
    false
}

/// An authority, and a certificate of it for both hosts.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let done = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder)
            .output()
            .expect("openssl runs");
        assert!(done.status.success(), "openssl {arguments}: {done:?}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {key} -keyout authority.key -out authority.pem -days 2 -subj /CN=Test-Authority"
    ));
    openssl(&format!(
        "req -x509 {key} -keyout site.key -out site.pem -days 2 -subj /CN=harbour.example -CA authority.pem -CAkey authority.key \
         -addext subjectAltName=DNS:harbour.example,DNS:www.harbour.example -addext basicConstraints=critical,CA:FALSE"
    ));
}
