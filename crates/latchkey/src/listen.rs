//! Listeners: bound before anything is announced, drained before anything stops.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// Binds `address`; a port in use says so and what to do.
pub(crate) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            anyhow::bail!(
                "{address} is in use by another program\n  help: stop that program, or choose another port with {setting}"
            )
        }
        Err(error) => Err(error).with_context(|| format!("listening on {address}; {setting} says where")),
    }
}

/// How long requests under way get to end after a stop was asked for; streams of events and slow downloads have no end of their own.
/// The edge and then the server take it one after the other, which together stays below the 10 s after which container
/// runtimes kill.
pub(crate) const DRAIN: Duration = Duration::from_secs(4);

/// What a listener bears.
#[derive(Clone, Copy)]
struct Bounds {
    /// Connections open at once; those beyond it wait in the backlog of the operating system.
    connections: usize,
    /// How long a client may take for the head of a request, and how long a connection may stay open between two requests.
    head: Duration,
}

const BOUNDS: Bounds = Bounds {
    connections: 10_000,
    // Longer than the 60 s for which load balancers usually keep connections, so that it is they who close them.
    head: Duration::from_secs(75),
};
/// How long to wait when the process has no file descriptor left for another connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Asks the system for as many open files as it allows: each connection is one, beside the database's and those to origins.
pub(crate) fn allow_connections() {
    let wanted = 2 * u64::try_from(BOUNDS.connections).unwrap_or(u64::MAX);
    match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed < wanted => tracing::warn!(
            allowed,
            wanted,
            "the system allows few open files; beyond them connections wait (raise `ulimit -n`, or LimitNOFILE= in systemd)"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// Serves until `stop`, then lets what was begun end, for `drain` at most.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) -> anyhow::Result<()> {
    serve_within(BOUNDS, listener, router, stop, drain).await
}

async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) -> anyhow::Result<()> {
    let mut http = Builder::new(TokioExecutor::new());
    // HTTP/1.1 alone (RFC 9112): proxies in front speak it, and telling the versions apart has no bound of time.
    http = http.http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(bounds.head);
    let http = Arc::new(http);
    let connections = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(bounds.connections));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer, place) = accepted?;
        let one = connection(Arc::clone(&http), stream, peer, router.clone(), connections.watcher());
        tokio::spawn(async move {
            one.await;
            drop(place);
        });
    }
    drop(listener);
    let _ended_or_not = tokio::time::timeout(drain, connections.shutdown()).await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> anyhow::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.context("serving")?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, place)),
            // The client's, and gone with it.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "no further connection can be accepted; trying again");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn connection(
    http: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
) {
    // Answers go out as they come: their parts must not wait for one another.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request.map(Body::new))
    });
    let served = http.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Cancels `stop` at Ctrl-C or SIGTERM. At the second one the process ends at once: nothing is lost by it, since whatever was
/// acknowledged is stored.
pub(crate) fn stop_when_asked(stop: CancellationToken) {
    tokio::spawn(async move {
        asked_to_stop().await;
        eprintln!("Stopping: what was begun is finished. Ctrl-C again ends at once.");
        stop.cancel();
        asked_to_stop().await;
        std::process::exit(INTERRUPTED);
    });
}

/// Exit code of a process that was interrupted, as shells count it.
const INTERRUPTED: i32 = 130;

/// Resolves when the operator asks to stop: Ctrl-C, or SIGTERM.
async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const NARROW: Bounds = Bounds {
        connections: 1,
        head: Duration::from_millis(1500),
    };
    const ASKED: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";

    /// A listener with room for one connection, and what stops it.
    async fn listening() -> (
        SocketAddr,
        CancellationToken,
        tokio::task::JoinHandle<anyhow::Result<()>>,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new().route(
            "/",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
        );
        let served = tokio::spawn(serve_within(NARROW, listener, router, stop.clone(), DRAIN));
        (address, stop, served)
    }

    /// What comes within a second.
    async fn answer(client: &mut TcpStream) -> String {
        let mut bytes = vec![0; 4096];
        match tokio::time::timeout(Duration::from_secs(1), client.read(&mut bytes)).await {
            Ok(read) => String::from_utf8_lossy(&bytes[..read.unwrap()]).into_owned(),
            Err(_) => "nothing".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_half_sent_request_is_given_up_and_makes_room() {
        let (address, stop, served) = listening().await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: he").await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(ASKED).await.unwrap();
        assert_eq!(
            answer(&mut second).await,
            "nothing",
            "one connection is all there is room for"
        );

        let mut rest = String::new();
        let closed = tokio::time::timeout(NARROW.head * 4, slow.read_to_string(&mut rest)).await;
        assert!(closed.is_ok(), "it is held for ever");
        let answered = answer(&mut second).await;
        assert!(
            answered.starts_with("HTTP/1.1 200") && answered.ends_with("127.0.0.1"),
            "{answered}"
        );
        stop.cancel();
        served.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn idle_connections_do_not_hold_up_a_stop() {
        let (address, stop, served) = listening().await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(ASKED).await.unwrap();
        assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200"));
        let began = std::time::Instant::now();
        stop.cancel();
        served.await.unwrap().unwrap();
        assert!(began.elapsed() < DRAIN, "{:?}", began.elapsed());
        assert_eq!(answer(&mut idle).await, "", "closed");
    }
}
