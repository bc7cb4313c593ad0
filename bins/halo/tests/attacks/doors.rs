//! The gateway's public door: what is too large, too deep, too slow, ambiguous, or leads elsewhere.

use crate::world::{JSON, immediate, is_served, raw, start};
use anyhow::{Context, Result, ensure};
use http::Method;
use lab::memory;
use serde_json::json;
use std::{
    io::{ErrorKind, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

/// What the gateway may have used at its largest, whatever was sent. A body has at most 16 MiB, and few of them are held at once.
const MOST: u64 = 160 << 20;
const SOON: Duration = Duration::from_secs(5);

/// gzip of 64 MiB of blanks, cut short: enough for whoever unpacks it to notice.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Tries: bodies that are packed, 100,000 levels deep, of a number with a million digits, of 17 MiB; heads of 100 KB and of 2,000 lines.
/// Stopped by: limits before parsing; nothing is unpacked; JSON has a depth.
/// Seen as: 4xx in the gateway's log.
#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_before_they_are_read_and_the_next_caller_is_served() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let path = immediate(&system);
    let deep = |open: &str| {
        format!("{{\"command\":{{\"text\":\"SELECT 1\"}},\"x\":{}", open.repeat(100_000)).into_bytes()
    };
    let digits =
        format!("{{\"command\":{{\"text\":\"SELECT 1\"}},\"maxTimeInQueue\":{}}}", "9".repeat(1_000_000));
    for (body, headers) in [
        (deep("["), vec![JSON]),
        (deep("{\"a\":"), vec![JSON]),
        (digits.into_bytes(), vec![JSON]),
        ([&GZIP_HEAD[..], &[0; 100_000]].concat(), vec![JSON, ("Content-Encoding", "gzip")]),
        (vec![b' '; 17 << 20], vec![JSON]),
        ([b"{\"command\":{\"text\":\"".to_vec(), vec![b'x'; 5 << 20], b"\"}}".to_vec()].concat(), vec![JSON]),
    ] {
        let answer = system.client().await?.call(Method::POST, &path, &headers, body).await;
        // Whoever is told 413 may find the connection closed on what it still sends.
        if let Ok(answer) = answer {
            ensure!((400..500).contains(&answer.status), "{answer:?}");
        }
    }
    let key = &system.description.subscription_key;
    let head = |more: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nOcp-Apim-Subscription-Key: {key}\r\n{more}\r\n\r\n")
    };
    for more in [format!("X-Long: {}", "y".repeat(100_000)), "A: b\r\n".repeat(2_000)] {
        let said = raw(&system.description.gateway, head(&more).as_bytes(), SOON)?;
        ensure!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let peak = memory::of(system.description.pids.gateway)?.peak;
    ensure!(peak < MOST, "the gateway used {peak} bytes");
    is_served(&system).await?;
    system.stop().await
}

/// Tries: requests that two readers would cut differently (two lengths, chunks that are none, a folded head), to put a second request behind
/// somebody else's.
/// Stopped by: the HTTP library refuses what is ambiguous, and closes the connection.
/// Seen as: nothing: such a request is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_two_readers_would_cut_differently_is_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let (path, key) = (immediate(&system), &system.description.subscription_key);
    let hidden = format!(
        "GET /integrator/sites/{} HTTP/1.1\r\nHost: x\r\nOcp-Apim-Subscription-Key: {key}\r\n\r\n",
        system.description.site_id
    );
    let length = hidden.len();
    for lines in [
        format!("Content-Length: {length}\r\nContent-Length: 0"),
        format!("Transfer-Encoding: xchunked\r\nContent-Length: {length}"),
        "Transfer-Encoding : chunked".to_owned(),
        "Content-Length: +5".to_owned(),
        "Content-Length: 5\r\n , 0".to_owned(),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nOcp-Apim-Subscription-Key: wrong\r\n{lines}\r\n\r\n0\r\n\r\n{hidden}"
        );
        let said = raw(&system.description.gateway, request.as_bytes(), Duration::from_millis(700))?;
        ensure!(!said.contains("200 OK") && !said.contains("availability"), "{lines}: {said}");
    }
    is_served(&system).await?;
    system.stop().await
}

/// As many descriptors as the usual soft limit gives a program, and more: whoever has few to offer its callers has none left for itself.
fn open_many_files() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?)
}

/// Tries: 1,500 callers that send a head byte by byte, a body never, or read nothing of an answer.
/// Stopped by: each wait has its bound (docs/api.md, 408), each caller its own place; what is slow holds nothing that others need.
/// Seen as: 408 in the gateway's log.
#[tokio::test(flavor = "multi_thread")]
async fn callers_that_are_slow_or_silent_take_nothing_from_others() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let (path, key) = (immediate(&system), &system.description.subscription_key);
    let address = system.description.gateway.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nOcp-Apim-Subscription-Key: {key}\r\nContent-Type: application/json\r\n"
    );
    let wants = json!({ "command": { "text": "SELECT a.*, b.* FROM PATIENTS a CROSS JOIN PATIENTS b" }, "readOnly": true }).to_string();
    let reads_nothing =
        format!("{head}Accept: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{wants}", wants.len());
    open_many_files()?;
    let mut slow = Vec::new();
    for n in 0..1_500usize {
        let mut socket = TcpStream::connect(&address)?;
        match n % 4 {
            0 => {}
            1 => socket.write_all(head.as_bytes().get(..20 + n % 60).unwrap_or_default())?,
            2 => socket.write_all(format!("{head}Content-Length: 1000\r\n\r\n{{").as_bytes())?,
            // A few: they hold places in the practice's own lane for as long as the site waits for a reader.
            _ if n < 24 => socket.write_all(reads_nothing.as_bytes())?,
            _ => socket.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")?,
        }
        slow.push(socket);
    }
    is_served(&system).await?;
    for socket in slow.iter_mut().skip(1).step_by(4) {
        // Byte by byte, as slowly as it likes.
        let _ = socket.write_all(b"x");
    }
    is_served(&system).await?;
    let peak = memory::of(system.description.pids.gateway)?.peak;
    ensure!(peak < MOST, "the gateway used {peak} bytes for callers that are slow");
    drop(slow);
    system.stop().await
}

/// Tries: endpoints for notifications that lead into the integrator's own network: to this machine, to a cloud's metadata service, in every
/// spelling of an address.
/// Stopped by: the address that a name leads to is checked, and the one that was checked is called; plain `http` and other schemes are none.
/// Seen as: `addressRefused` in the log of deliveries.
#[tokio::test(flavor = "multi_thread")]
async fn no_notification_goes_to_an_address_that_is_not_public() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let inside = TcpListener::bind("127.0.0.1:0")?;
    inside.set_nonblocking(true)?;
    let port = inside.local_addr()?.port();
    let mut client = system.client().await?;
    let mut made = 0;
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://0x7f.1:{port}/"),
        format!("https://0:{port}/"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/".to_owned(),
        format!("http://127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
        format!("https://public.example@127.0.0.1:{port}/"),
    ] {
        let answer =
            client.post("/integrator/webhooks", &json!({ "url": url, "sources": ["async"] })).await?;
        ensure!(answer.status == 201 || answer.status == 400, "{url} was answered {answer:?}");
        if answer.status == 201 {
            made += 1;
            let id = answer.json()?["id"].as_str().context("no id")?.to_owned();
            client.call(Method::POST, &format!("/integrator/webhooks/{id}/test"), &[], "").await?;
        }
    }
    ensure!(made > 0, "nothing of it was tried at all");
    let mut log = String::new();
    for _ in 0..100 {
        log = client.get("/integrator/webhooks/deliveries?limit=200").await?.json()?.to_string();
        let told = ["addressRefused", "nameNotFound"].map(|why| log.matches(why).count());
        if told.iter().sum::<usize>() >= made {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(log.contains("addressRefused"), "{log}");
    let called = inside.accept().map(|_| ()).map_err(|error| error.kind());
    ensure!(called == Err(ErrorKind::WouldBlock), "somebody called this machine: {called:?}");
    system.stop().await
}
