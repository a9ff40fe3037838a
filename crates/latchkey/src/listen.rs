//! Listeners: bound before anything is announced, drained before anything stops.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Binds `address`; a port in use says so and what to do.
pub(crate) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
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

/// Serves until `stop`, then lets what was begun end, for `drain` at most.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) -> anyhow::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let asked = stop.clone();
    let drained = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
    tokio::select! {
        ended = drained => ended.context("serving"),
        () = async { asked.cancelled().await; tokio::time::sleep(drain).await } => Ok(()),
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
