//! A mail server of the test's own (RFC 5321, what a client needs), which notes each letter that it has taken, and in which life.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Letters after a payment, by recipient: in which lives of the server each was taken.
type Letters = BTreeMap<String, Vec<u32>>;

/// A mail server.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    life: Arc<AtomicU32>,
    letters: Arc<Mutex<Letters>>,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (life, letters) = (Arc::<AtomicU32>::default(), Arc::<Mutex<Letters>>::default());
        let noted = (Arc::clone(&life), Arc::clone(&letters));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (life, letters) = noted.clone();
                // A client that dies in the middle is no fault here.
                tokio::spawn(async move { talk(stream, &life, &letters).await.ok() });
            }
        });
        Self { port, life, letters }
    }

    /// From now on letters belong to this life of the server.
    pub(crate) fn life_begins(&self, life: u32) {
        self.life.store(life, Ordering::SeqCst);
    }

    pub(crate) fn letters(&self) -> Letters {
        self.letters.lock().unwrap().clone()
    }
}

async fn talk(stream: TcpStream, life: &AtomicU32, letters: &Mutex<Letters>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (mut recipient, mut is_content, mut of_payment) = (String::new(), false, false);
    writer.write_all(b"220 here\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer: &[u8] = if is_content {
            if let Some(subject) = line.strip_prefix("Subject: ") {
                of_payment = subject.contains("sign in");
            }
            if line != "." {
                continue;
            }
            is_content = false;
            // Others, such as receipts, a payer may get several of.
            if of_payment {
                let life = life.load(Ordering::SeqCst);
                letters.lock().unwrap().entry(recipient.clone()).or_default().push(life);
            }
            b"250 taken\r\n"
        } else {
            match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
                "RCPT" => {
                    let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                    address.clone_into(&mut recipient);
                    b"250 ok\r\n"
                }
                "DATA" => {
                    (is_content, of_payment) = (true, false);
                    b"354 go on\r\n"
                }
                "QUIT" => b"221 bye\r\n",
                _ => b"250 ok\r\n",
            }
        };
        writer.write_all(answer).await?;
    }
    Ok(())
}
