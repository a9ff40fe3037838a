//! Runs the built program.

use std::{
    io::Write,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a command may take that is not meant to go on.
const PATIENCE: Duration = Duration::from_secs(40);

/// A secret of each kind, none of which may ever be printed.
pub(crate) const SECRETS: [(&str, &str); 4] = [
    ("STRIPE_SECRET_KEY", "sk_test_sandbox_hunter2hunter2"),
    ("STRIPE_WEBHOOK_SECRETS", "whsec_hunter2hunter2"),
    ("LATCHKEY_SEAL_KEY", "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ="),
    ("LATCHKEY_EDGE_TOKEN", "hunter2hunter2hunter2hunter2hunter2"),
];

/// A folder to run in, and the environment to run with: nothing but what a test sets.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    environment: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            environment: vec![],
        }
    }

    /// With the file that `latchkey init` writes, filled in, and every secret set.
    pub(crate) fn configured() -> Self {
        let place = Self::new();
        place.run(&["init"]).is(0);
        let place = place.edit(&[
            ("account.publisher.example", "account.gazette.test"),
            ("www.publisher.example", "www.gazette.test"),
            ("price_monthly_replace_me", "price_1"),
            ("price_yearly_replace_me", "price_2"),
            ("# smtp_host = \"smtp.publisher.example\"", "smtp_host = \"localhost\""),
            ("# from =", "from ="),
        ]);
        SECRETS
            .iter()
            .fold(place, |place, (name, value)| place.set(name, value))
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(own, _)| own != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, content).expect("a file");
        path.display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.path(name)).expect("a file")).expect("text")
    }

    /// Changes the configuration: each pair is a text that stands there and what takes its place.
    pub(crate) fn edit(self, changes: &[(&str, &str)]) -> Self {
        let text = changes.iter().fold(self.read("latchkey.toml"), |text, (from, to)| {
            assert!(text.contains(from), "the configuration has no `{from}`");
            text.replacen(from, to, 1)
        });
        self.write("latchkey.toml", text);
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).spawn().expect("the program starts"))
    }

    /// With `input` on standard input.
    pub(crate) fn pipe(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("standard input");
        // A program that refuses its arguments reads nothing; that is no failure of the test.
        let _ = stdin.write_all(input);
        drop(stdin);
        ended(child)
    }
}

/// Waits for the end; a command that hangs is killed and fails the test.
pub(crate) fn ended(mut child: Child) -> Ended {
    let until = Instant::now() + PATIENCE;
    // What is printed is read meanwhile, since a full pipe would hold the program up.
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let out = std::thread::spawn(move || out.map(|out| std::io::read_to_string(out).expect("text")));
    let err = std::thread::spawn(move || err.map(|err| std::io::read_to_string(err).expect("text")));
    let status = loop {
        match child.try_wait().expect("the program's state") {
            Some(status) => break status,
            None if Instant::now() > until => {
                let _ = child.kill();
                panic!("the program did not end; it printed {:?}", err.join());
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let ended = Ended {
        code: status.code(),
        out: out.join().expect("output").unwrap_or_default(),
        err: err.join().expect("errors").unwrap_or_default(),
    };
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    for text in [&ended.out, &ended.err] {
        assert!(
            !text.contains("hunter2") && !text.contains("aHVudGVy"),
            "a secret was printed: {ended:?}"
        );
    }
    ended
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn is(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Whether each of `words` is in what was printed, on either stream.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.out.contains(word) || self.err.contains(word),
                "no `{word}` in {self:?}"
            );
        }
        self
    }

    #[track_caller]
    pub(crate) fn never_says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                !self.out.contains(word) && !self.err.contains(word),
                "`{word}` in {self:?}"
            );
        }
        self
    }
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// Whether the tests run as root, for whom no folder is closed.
pub(crate) fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// The address of a database of its own on the tests' PostgreSQL server; `None`, said loudly, where there is no server.
#[expect(clippy::disallowed_methods, reason = "tests/run says where PostgreSQL is")]
pub(crate) fn postgres(test: &str) -> Option<String> {
    let Ok(server) = std::env::var("LATCHKEY_TEST_POSTGRES") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "LATCHKEY_TEST_POSTGRES is not set (tests/run sets it)"
        );
        eprintln!("SKIPPED on PostgreSQL: {test} needs LATCHKEY_TEST_POSTGRES (tests/run sets it)");
        return None;
    };
    let name = format!("latchkey_cli_{test}_{}", std::process::id());
    psql(&server, &format!("DROP DATABASE IF EXISTS {name}"));
    psql(&server, &format!("CREATE DATABASE {name}"));
    let (base, _) = server.rsplit_once('/').expect("an address with a database");
    Some(format!("{base}/{name}"))
}

/// Runs one statement with PostgreSQL's own client and gives what it prints.
pub(crate) fn psql(database: &str, statement: &str) -> String {
    let output = Command::new("psql")
        .arg(database)
        .args(["-Atqc", statement])
        .output()
        .expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A program that goes on until it is told to stop.
pub(crate) struct Running {
    child: Child,
    said: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Place {
    /// Starts a command that goes on, and waits until it has said `words`.
    #[track_caller]
    pub(crate) fn start(&self, arguments: &[&str], words: &str) -> Running {
        let mut child = self.command(arguments).spawn().expect("the program starts");
        let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let streams: [Option<Box<dyn std::io::Read + Send>>; 2] = [
            child
                .stdout
                .take()
                .map(|out| Box::new(out) as Box<dyn std::io::Read + Send>),
            child
                .stderr
                .take()
                .map(|err| Box::new(err) as Box<dyn std::io::Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in std::io::BufRead::lines(std::io::BufReader::new(stream)).map_while(Result::ok) {
                    let mut said = said.lock().unwrap();
                    said.push_str(&line);
                    said.push('\n');
                }
            });
        }
        let mut running = Running { child, said };
        running.waits_for(words);
        running
    }
}

impl Running {
    #[track_caller]
    pub(crate) fn waits_for(&mut self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            let ended = self.child.try_wait().expect("the program's state");
            assert!(
                ended.is_none() && Instant::now() < until,
                "no `{words}` ({ended:?}): {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Sends a signal by its name, as an operator does.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name} failed");
    }

    /// Waits for the end; gives the exit code and how long it took.
    pub(crate) fn ends(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the program's state") {
                return (status.code(), begun.elapsed());
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.said();
        assert!(
            std::thread::panicking() || !(said.contains("hunter2") || said.contains("aHVudGVy")),
            "a secret was printed: {said}"
        );
    }
}

/// The answer to one GET, head and body, over a connection of its own.
pub(crate) fn get(port: u16, host: &str, path: &str) -> String {
    ask(
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    )
}

/// The answer to one request as it is written, over a connection of its own.
pub(crate) fn ask(port: u16, request: &str) -> String {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}
