//! Over a real socket.

use crate::{kit::World, lines::until};
use serde_json::json;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

async fn serve(world: &World) -> (std::net::SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = world.router.clone();
    let serving = tokio::spawn(gateway::serve::serve(
        listener,
        router,
        async {
            let _ = stopped.await;
        },
        Duration::from_secs(5),
    ));
    (address, stop, serving)
}

fn request(world: &World, text: &str, extra: &str) -> String {
    let body = json!({ "readOnly": true, "command": { "text": text } }).to_string();
    format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nOcp-Apim-Subscription-Key: {}\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        world.immediate_path(),
        world.key,
        body.len()
    )
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_what_it_read() {
    for extra in ["", "Accept: application/x-ndjson\r\n"] {
        let world = World::new().await;
        let (address, _stop, _serving) = serve(&world).await;
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request(&world, "wait", extra).as_bytes()).await.unwrap();
        until(|| !world.site.runs.lock().unwrap().is_empty()).await;
        drop(socket);
        until(|| world.site.cancelled.load(Ordering::SeqCst) == 1).await;
    }
}

#[tokio::test]
async fn stopping_lets_an_answer_finish() {
    let world = World::new().await;
    let (address, stop, serving) = serve(&world).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request(&world, "wait", "").as_bytes()).await.unwrap();
    until(|| !world.site.runs.lock().unwrap().is_empty()).await;
    stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.site.release.notify_one();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stalled_stream_is_a_broken_transfer_on_the_wire() {
    let world = World::with(gateway::Limits { stalled_caller_ms: 100, ..gateway::Limits::default() }).await;
    let (address, _stop, _serving) = serve(&world).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket
        .write_all(request(&world, "endless", "Accept: application/x-ndjson\r\n").as_bytes())
        .await
        .unwrap();
    until(|| world.site.cancelled.load(Ordering::SeqCst) == 1).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(!answer.ends_with(b"0\r\n\r\n"), "no proper end of a chunked body");
}
