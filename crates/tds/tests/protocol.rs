//! The server as a client made of bytes meets it: what is said exactly, and what bad clients get.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    PASSWORD, Script, USER,
    raw::{
        Raw, batch, call, has_error, headers, int_value, last_done, login7, packet, parameter, prelogin,
        text_value,
    },
    serve,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tds::{Backend, Options, Server, Tls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_login_answers_in_the_clients_version_and_packet_size() {
    let served = serve(Options::default()).await;
    for (asked, said) in [
        (0x7100_0001u32, [0x71, 0, 0, 1]),
        (0x7209_0002, [0x72, 9, 0, 2]),
        (0x730A_0003, [0x73, 0x0A, 0, 3]),
        (0x730B_0003, [0x73, 0x0B, 0, 3]),
        (0x7400_0004, [0x74, 0, 0, 4]),
        (0x7500_0000, [0x74, 0, 0, 4]),
    ] {
        let (_, answer) = Raw::login_as(served.address, asked, 0).await;
        assert!(answer.windows(5).any(|w| w[0] == 1 && w[1..] == said), "{asked:x}");
    }
    for (asked, granted) in [(1u32, 512usize), (512, 512), (4096, 4096), (32_767, 32_767), (1 << 20, 32_767)]
    {
        let (mut raw, _) = Raw::login_as(served.address, 0x7400_0004, asked).await;
        raw.send(1, 1, &batch("large nvarchar 100000")).await;
        let packets = raw.packets().await.unwrap();
        assert!(packets[..packets.len() - 1].iter().all(|p| p.len() + 8 == granted), "{asked}");
        assert!(packets.concat().len() > 200_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_agreed_as_the_protocol_says() {
    let answer = |tls, wish| async move {
        let served = serve(Options { tls, ..Options::default() }).await;
        let mut raw = Raw::connect(served.address).await;
        raw.send(0x12, 1, &prelogin(wish)).await;
        let content = raw.answer().await.unwrap();
        let at = usize::from(u16::from_be_bytes([content[6], content[7]]));
        content[at]
    };
    let table = [(Tls::Never, [2, 2, 2, 2]), (Tls::Offered, [0, 1, 2, 1]), (Tls::Required, [3, 3, 3, 3])];
    for (tls, row) in table {
        for (wish, said) in row.into_iter().enumerate() {
            assert_eq!(answer(tls, wish as u8).await, said, "{tls:?} {wish}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_told_and_closed() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::connect(served.address).await;
    raw.send(0x12, 1, &prelogin(2)).await;
    raw.answer().await.unwrap();
    raw.send(0x10, 1, &login7(0x7400_0004, 0, USER, "wrong", "")).await;
    let answer = raw.answer().await.unwrap();
    assert!(has_error(&answer, 18_456));
    assert_eq!(answer[7..9], [1, 14], "state and class");
    assert_eq!(last_done(&answer), (0xFD, 2, 0));
    assert!(raw.answer().await.is_none(), "closed");
    // Integrated security.
    let mut raw = Raw::connect(served.address).await;
    raw.send(0x12, 1, &prelogin(2)).await;
    raw.answer().await.unwrap();
    let mut login = login7(0x7400_0004, 0, USER, PASSWORD, "");
    login[25] |= 0x80;
    raw.send(0x10, 1, &login).await;
    assert!(has_error(&raw.answer().await.unwrap(), 18_452));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_at_each_end_whether_more_follows() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::login(served.address).await;
    let answer = raw.ask("sets").await;
    assert_eq!(last_done(&answer), (0xFD, 0x10, 1));
    // The UPDATE in the middle: more follows, a count.
    let update = [0xFD, 0x11, 0, 0xC5, 0, 7, 0, 0, 0, 0, 0, 0, 0];
    assert!(answer.windows(13).any(|w| w == update));
    let insert = [0xFD, 0x01, 0, 0xC3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(answer.windows(13).any(|w| w == insert));
    let answer = raw.ask("fail").await;
    assert!(answer.windows(4).any(|w| w == [0xFD, 0x03, 0, 0]), "the failed statement is marked");
    assert!(answer.windows(4).any(|w| w == [42, 0, 0, 0]), "the line");
    assert_eq!(last_done(&answer), (0xFD, 0x10, 1));
    assert_eq!(last_done(&raw.ask("").await), (0xFD, 0, 0));
    // EXEC in a batch: its status, then DONEPROC as the last.
    let answer = raw.ask("exec").await;
    assert!(answer.windows(5).any(|w| w == [0x79, 0xFA, 0xFF, 0xFF, 0xFF]));
    assert_eq!(last_done(&answer), (0xFE, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn attention_is_acknowledged_once_whether_or_not_something_ran() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::login(served.address).await;
    for _ in 0..3 {
        raw.send(1, 1, &batch("sleep")).await;
        sleep(Duration::from_millis(30)).await;
        raw.send(6, 1, &[]).await;
        let answer = raw.answer().await.unwrap();
        assert_eq!(last_done(&answer).1, 0x20);
        assert_eq!(last_done(&raw.ask("one").await), (0xFD, 0x10, 1), "nothing of it is left over");
    }
    raw.send(6, 1, &[]).await;
    assert_eq!(last_done(&raw.answer().await.unwrap()).1, 0x20);
    // At once behind the request: before it, in it, or behind its end. Each time one acknowledgement.
    for _ in 0..200 {
        let both = [packet(1, 1, &batch("one")), packet(6, 1, &[])].concat();
        raw.stream.write_all(&both).await.unwrap();
        let mut answer = raw.answer().await.unwrap();
        if last_done(&answer).1 & 0x20 == 0 {
            answer = raw.answer().await.unwrap();
        }
        assert_eq!(last_done(&answer).1, 0x20);
    }
    assert_eq!(last_done(&raw.ask("one").await), (0xFD, 0x10, 1));
    // In the middle of many rows.
    raw.send(1, 1, &batch("rows 100000000")).await;
    raw.stream.read_exact(&mut [0; 5000]).await.unwrap();
    raw.send(6, 1, &[]).await;
    timeout(Duration::from_secs(20), async {
        let mut last = Vec::new();
        while !last.ends_with(&[0xFD, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) {
            let mut piece = vec![0; 65_536];
            let count = raw.stream.read(&mut piece).await.unwrap();
            last.extend_from_slice(&piece[..count]);
            last.drain(..last.len().saturating_sub(100));
        }
    })
    .await
    .unwrap();
    assert_eq!(last_done(&raw.ask("one").await), (0xFD, 0x10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_its_client_takes_back_is_not_run() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::login(served.address).await;
    raw.send(1, 0, &batch("rows 5")).await;
    raw.send(1, 3, &[]).await;
    assert_eq!(last_done(&raw.answer().await.unwrap()), (0xFD, 2, 0));
    assert_eq!(served.script.rows.load(Ordering::SeqCst), 0);
    assert_eq!(last_done(&raw.ask("one").await), (0xFD, 0x10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_comes_before_the_request_and_is_acknowledged() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::login(served.address).await;
    raw.ask("use").await;
    raw.send(1, 1 | 0x08, &batch("one")).await;
    let answer = raw.answer().await.unwrap();
    assert!(answer.windows(6).any(|w| w == [0xE3, 3, 0, 18, 0, 0]));
    assert_eq!(served.script.resets.load(Ordering::SeqCst), 1);
    // Back in the database of the login.
    assert_eq!(answer[0..1], [0xE3]);
    raw.send(1, 1 | 0x10, &batch("one")).await;
    raw.answer().await.unwrap();
    assert_eq!(served.script.resets.load(Ordering::SeqCst), 2, "no transaction was open");
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_requests_get_their_number_and_lose_it() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::login(served.address).await;
    let request = |kind: u8, rest: &[u8]| [&headers()[..], &[kind, 0], rest].concat();
    raw.send(0x0E, 1, &request(5, &[2, 0])).await;
    let begun = raw.answer().await.unwrap();
    assert_eq!(begun[..14], [0xE3, 11, 0, 8, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    raw.send(1, 1 | 0x10, &batch("one")).await;
    raw.answer().await.unwrap();
    assert_eq!(served.script.resets.load(Ordering::SeqCst), 0, "a transaction is open: all is kept");
    raw.send(0x0E, 1, &request(9, &[2, b's', 0])).await;
    assert_eq!(last_done(&raw.answer().await.unwrap()), (0xFD, 0, 0));
    raw.send(0x0E, 1, &request(7, &[0, 0])).await;
    let committed = raw.answer().await.unwrap();
    assert_eq!(committed[..14], [0xE3, 11, 0, 9, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0]);
    raw.send(0x0E, 1, &request(5, &[0, 0])).await;
    raw.answer().await.unwrap();
    raw.send(0x0E, 1, &request(8, &[0, 0])).await;
    assert_eq!(raw.answer().await.unwrap()[..6], [0xE3, 11, 0, 10, 0, 8]);
    raw.send(0x0E, 1, &request(1, &[0, 0])).await;
    assert!(has_error(&raw.answer().await.unwrap(), 40_514), "no distributed transactions");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_calls_in_a_message_end_each_for_itself() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::login(served.address).await;
    let mut bytes = headers();
    bytes.extend(call(Err("BP_Echo"), &[parameter("@x", 1, &int_value(Some(5)))]));
    bytes.push(0xFF);
    bytes.extend(call(Err("BP_Unknown"), &[]));
    bytes.push(0xFF);
    bytes.extend(call(Ok(10), &[parameter("", 0, &text_value("one"))]));
    raw.send(3, 1, &bytes).await;
    let answer = raw.answer().await.unwrap();
    assert!(has_error(&answer, 2812));
    // Status, then the output, then the end.
    let status = answer.windows(5).position(|w| w == [0x79, 77, 0, 0, 0]).unwrap();
    let token = &answer[status + 5..];
    assert_eq!(token[..4], [0xAC, 0, 0, 2]);
    assert_eq!(token[8], 1, "an output");
    assert_eq!(token[15..23], [0x26, 4, 4, 5, 0, 0, 0, 0xFE]);
    assert_eq!(last_done(&answer), (0xFE, 0, 0));
    let ends =
        answer.windows(5).filter(|w| w[0] == 0xFE && w[2..] == [0, 0, 0]).map(|w| w[1]).collect::<Vec<_>>();
    assert_eq!(ends, [1, 3, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_live_until_they_are_unprepared_or_reset() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::login(served.address).await;
    let ask = |id: u16, parameters: Vec<Vec<u8>>| [headers(), call(Ok(id), &parameters)].concat();
    let handle = |n| parameter("", 0, &int_value(Some(n)));
    let text = |t| parameter("", 0, &text_value(t));
    raw.send(
        3,
        1,
        &ask(
            13,
            vec![
                parameter("", 1, &int_value(None)),
                text("@p int"),
                text("echo"),
                parameter("@p", 1, &int_value(Some(5))),
            ],
        ),
    )
    .await;
    let answer = raw.answer().await.unwrap();
    let outputs: Vec<_> = answer.windows(4).filter(|w| w[0] == 0xAC && w[2] == 0).map(|w| w[1]).collect();
    assert_eq!(outputs, [0, 3], "the handle, and the statement's own");
    raw.send(
        3,
        1,
        &ask(11, vec![parameter("", 1, &int_value(None)), text("@p int"), text("echo"), handle(1)]),
    )
    .await;
    raw.answer().await.unwrap();
    raw.send(3, 1, &ask(12, vec![handle(2), parameter("@p", 1, &int_value(Some(6)))])).await;
    let answer = raw.answer().await.unwrap();
    assert!(answer.windows(4).any(|w| w == [0xAC, 1, 0, 2]), "the output at the client's place");
    raw.send(3, 1, &ask(15, vec![handle(2)])).await;
    assert_eq!(last_done(&raw.answer().await.unwrap()), (0xFE, 0, 0));
    for dead in [2, 99] {
        raw.send(3, 1, &ask(12, vec![handle(dead)])).await;
        assert!(has_error(&raw.answer().await.unwrap(), 8179));
    }
    raw.send(3, 1 | 0x08, &ask(12, vec![handle(1)])).await;
    assert!(has_error(&raw.answer().await.unwrap(), 8179), "a reset forgets them");
    raw.send(3, 1, &ask(2, vec![])).await;
    assert!(has_error(&raw.answer().await.unwrap(), 40_514), "cursors are refused by name");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_clients_get_an_error_or_the_door_and_others_are_served_on() {
    let options = Options {
        login_time: Duration::from_millis(300),
        stall_time: Duration::from_millis(300),
        limits: tds::wire::Limits { batch: 100_000, ..tds::wire::Limits::default() },
        ..Options::default()
    };
    let served = serve(options).await;
    let mut good = Raw::login(served.address).await;
    // Not the protocol at all, a header of no length, a kind there is not, half a packet, TLS that is none.
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x12, 1, 0, 3, 0, 0, 0, 0],
        &[0x55, 1, 0, 8, 0, 0, 0, 0],
        &[0x12, 1, 0],
        &[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5],
        &packet(0x12, 1, &[1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        &[],
    ] {
        let mut raw = Raw::connect(served.address).await;
        raw.stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let over = timeout(Duration::from_secs(5), raw.stream.read_to_end(&mut rest)).await;
        assert!(over.is_ok(), "{bytes:?} is not closed");
    }
    // A broken LOGIN7 is told.
    let mut raw = Raw::connect(served.address).await;
    raw.send(0x12, 1, &prelogin(2)).await;
    raw.answer().await.unwrap();
    raw.send(0x10, 1, &[0; 50]).await;
    assert!(has_error(&raw.answer().await.unwrap(), 18_456));
    // Headers that lie: told, then closed.
    let mut raw = Raw::login(served.address).await;
    raw.send(1, 1, &[0xFF; 30]).await;
    assert!(has_error(&raw.answer().await.unwrap(), 4002));
    assert!(raw.answer().await.is_none());
    // A statement over its limit.
    let mut raw = Raw::login(served.address).await;
    for _ in 0..4 {
        raw.send(1, 0, &[0x20; 30_000]).await;
    }
    assert!(has_error(&raw.answer().await.unwrap(), 701));
    // Half a message, then silence.
    let mut raw = Raw::login(served.address).await;
    raw.send(1, 0, &batch("one")).await;
    assert!(timeout(Duration::from_secs(5), raw.answer()).await.unwrap().is_none());
    // A call with a parameter of no type: told, and the connection goes on.
    let mut raw = Raw::login(served.address).await;
    raw.send(3, 1, &[headers(), call(Err("BP_Echo"), &[parameter("@x", 0, &[0x99, 1, 2, 3])])].concat())
        .await;
    assert!(has_error(&raw.answer().await.unwrap(), 8009));
    // So does bulk load.
    raw.send(7, 1, &[1, 2, 3]).await;
    assert!(has_error(&raw.answer().await.unwrap(), 40_514));
    // A second request before the first is answered.
    raw.send(1, 1, &batch("sleep")).await;
    raw.send(1, 1, &batch("one")).await;
    assert!(timeout(Duration::from_secs(5), async { while raw.answer().await.is_some() {} }).await.is_ok());
    // A session that breaks takes only itself along.
    let mut raw = Raw::login(served.address).await;
    raw.send(1, 1, &batch("panic")).await;
    assert!(timeout(Duration::from_secs(5), raw.answer()).await.unwrap().is_none());
    assert_eq!(last_done(&good.ask("one").await), (0xFD, 0x10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_outside_its_column_is_an_error_and_no_wrong_row() {
    let served = serve(Options::default()).await;
    let mut raw = Raw::login(served.address).await;
    let answer = raw.ask("unfit").await;
    assert!(has_error(&answer, 8115));
    assert_eq!(answer.windows(6).filter(|w| w[0] == 0xD1 && w[1] == 4).count(), 1);
    assert_eq!(last_done(&answer).1, 2);
    assert_eq!(last_done(&raw.ask("one").await), (0xFD, 0x10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_the_session_up_and_not_the_memory() {
    let served = serve(Options { stall_time: Duration::from_secs(2), ..Options::default() }).await;
    let mut raw = Raw::login(served.address).await;
    raw.send(1, 1, &batch("rows 100000000")).await;
    let told = || served.script.rows.load(Ordering::SeqCst);
    sleep(Duration::from_millis(700)).await;
    let before = told();
    sleep(Duration::from_millis(500)).await;
    // What fits into the sockets' buffers and the pieces on their way.
    assert_eq!(told(), before, "it waits");
    assert!(before < 500_000, "{before}");
    // After a while it is given up, and the session with it.
    timeout(Duration::from_secs(10), async {
        while served.script.ended.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_stops_its_statement() {
    let served = serve(Options { connections: 1, ..Options::default() }).await;
    for _ in 0..3 {
        let mut raw = loop {
            // One place only: free again as soon as the session before has ended.
            let mut raw = Raw::connect(served.address).await;
            if raw.stream.write_all(&packet(0x12, 1, &prelogin(2))).await.is_ok()
                && raw.answer().await.is_some()
            {
                break raw;
            }
            sleep(Duration::from_millis(10)).await;
        };
        raw.send(0x10, 1, &login7(0x7400_0004, 0, USER, PASSWORD, "")).await;
        raw.answer().await.unwrap();
        raw.send(1, 1, &batch("sleep")).await;
        sleep(Duration::from_millis(30)).await;
    }
    timeout(Duration::from_secs(5), async {
        while served.script.ended.load(Ordering::SeqCst) < 3 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_server_stops_statements_stop_and_connections_close() {
    let script = Arc::new(Script::default());
    let backend = Arc::clone(&script) as Arc<dyn Backend>;
    let server = Server::bind("127.0.0.1:0", backend, Options::default()).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let serving = tokio::spawn(server.serve(async { _ = stopped.await }));
    let mut idle = Raw::login(address).await;
    let mut busy = Raw::login(address).await;
    busy.send(1, 1, &batch("sleep")).await;
    sleep(Duration::from_millis(50)).await;
    stop.send(()).unwrap();
    timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    assert!(idle.answer().await.is_none() && busy.answer().await.is_none());
    timeout(Duration::from_secs(5), async {
        while script.ended.load(Ordering::SeqCst) < 2 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_for_too_long_is_let_go_and_who_waits_for_an_answer_is_not() {
    let served = serve(Options { idle_time: Duration::from_millis(200), ..Options::default() }).await;
    let mut waiting = Raw::login(served.address).await;
    waiting.send(1, 1, &batch("sleep")).await;
    let mut silent = Raw::login(served.address).await;
    assert!(timeout(Duration::from_secs(5), silent.answer()).await.unwrap().is_none());
    sleep(Duration::from_millis(300)).await;
    waiting.send(6, 1, &[]).await;
    assert_eq!(last_done(&waiting.answer().await.unwrap()).1, 0x20);
}
