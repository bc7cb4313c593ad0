//! Signatures checked by code that shares nothing with ours.

use crate::kit::{Reply, Request, SECRET, Server, World, event};
use std::{
    io::Write,
    process::{Command, Stdio},
};
use webhook::{Kind, Source, Step};

fn run(program: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).unwrap()
}

fn by_openssl(secret: &str, request: &Request) -> String {
    let text = format!("{}.{}", request.body, request.header("x-halo-timestamp"));
    let said = run("openssl", &["dgst", "-sha256", "-hmac", secret, "-hex"], text.as_bytes());
    said.trim().rsplit(' ').next().unwrap().to_owned()
}

fn by_python(secret: &str, request: &Request) -> String {
    let program = "import hmac,sys;print(hmac.new(sys.argv[1].encode(),sys.stdin.buffer.read()+b'.'+sys.argv[2].encode(),'sha256').hexdigest())";
    run("python3", &["-c", program, secret, request.header("x-halo-timestamp")], request.body.as_bytes())
        .trim()
        .to_owned()
}

async fn request(world: &World, server: &Server, number: u64) -> Request {
    let before = server.count();
    world.hooks.tell(event(number, Source::Async, Kind::Successful)).await.unwrap();
    world.until(|_| server.count() == before + 1).await;
    server.last()
}

#[tokio::test]
async fn openssl_and_python_make_the_same_signature() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    let request = request(&world, &server, 1).await;
    let signature = request.header("x-halo-signature-256");
    assert_eq!(signature.len(), 64);
    assert_eq!(by_openssl(SECRET, &request), signature);
    assert_eq!(by_python(SECRET, &request), signature);
    assert_ne!(by_python("another secret of theirs", &request), signature);
}

#[tokio::test]
async fn a_secret_is_changed_without_a_notification_that_can_t_be_checked() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    let endpoint = world.endpoint(&server.url("/"), &[Source::Async], None).await;
    assert!(!request(&world, &server, 1).await.headers.contains_key("x-halo-signature-256-next"));

    let (shown, new) = world.hooks.change_secret(endpoint.id, Step::Begin, None).await.unwrap().unwrap();
    let new = new.unwrap();
    assert_eq!((shown.secrets.len(), new.reveal().len()), (2, 64));
    assert!(world.hooks.change_secret(endpoint.id, Step::Begin, None).await.is_err(), "one change at a time");
    let both = request(&world, &server, 2).await;
    assert_eq!(
        both.header("x-halo-signature-256"),
        by_python(SECRET, &both),
        "receivers that know the old one alone go on"
    );
    assert_eq!(both.header("x-halo-signature-256-next"), by_openssl(new.reveal(), &both));

    let (shown, none) = world.hooks.change_secret(endpoint.id, Step::Finish, None).await.unwrap().unwrap();
    assert!(shown.secrets.len() == 1 && none.is_none());
    let after = request(&world, &server, 3).await;
    assert_eq!(after.header("x-halo-signature-256"), by_python(new.reveal(), &after));
    assert!(!after.headers.contains_key("x-halo-signature-256-next"));

    // Begun by mistake and taken back: the one in use stays.
    assert!(
        world.hooks.change_secret(endpoint.id, Step::Cancel, None).await.is_err(),
        "nothing to take back"
    );
    world
        .hooks
        .change_secret(endpoint.id, Step::Begin, Some("chosen by themselves".replace(' ', "-").into()))
        .await
        .unwrap();
    world.hooks.change_secret(endpoint.id, Step::Cancel, None).await.unwrap();
    let last = request(&world, &server, 4).await;
    assert_eq!(last.header("x-halo-signature-256"), by_python(new.reveal(), &last));
    for bad in ["short", "with spaces in between them", &"a".repeat(257), "umlauts-in-it-äöü"] {
        assert!(
            world.hooks.change_secret(endpoint.id, Step::Begin, Some(bad.into())).await.is_err(),
            "{bad}"
        );
    }
}
