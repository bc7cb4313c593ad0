//! The plain system: what the same question costs without TLS, gRPC, consent, audit or queue.
//!
//! Three processes with the same hops: an HTTP/1.1 gateway that passes requests on, a relay that copies bytes, a server
//! that runs the statement in the same database file through the same engine and writes the same row JSON. Each keeps its
//! connections warm and runs on one thread, the fastest way to answer one question at a time.

use crate::report::say;
use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use database::{
    Column, Engine as _, Login, Part, Session, Sink, Stopped, Terms, Value, Wanted,
    json::{RowForm, RowWriter},
};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response, body::Incoming, client::conn::http1 as client, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use model::{Access, Command, CommandType, Direction, ExecutionMode, Hidden, Parameter, ParameterType};
use practice::DemoEngine;
use serde_json::json;
use std::{cell::RefCell, net::SocketAddr, path::Path, rc::Rc};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

async fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&json!({ "ready": true, "listen": listener.local_addr()?.to_string() }).to_string());
    Ok(listener)
}

/// Runs the body's command and answers with base64 of the rows.
pub(crate) async fn server(practice: &Path, user: String, password: String) -> Result<()> {
    let engine = DemoEngine::open(practice)?;
    let login = Login { user: Hidden::new(user), password: Hidden::new(password) };
    let session = engine.connect(&login, "Patients", Access::ReadOnly)?;
    let session = Rc::new(RefCell::new(session));
    let listener = listen().await?;
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                let (socket, _) = listener.accept().await?;
                socket.set_nodelay(true)?;
                let session = session.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let session = session.clone();
                    async move {
                        let body = request.into_body().collect().await?.to_bytes();
                        anyhow::Ok(answer(session.borrow_mut().as_mut(), &body)?)
                    }
                });
                tokio::task::spawn_local(
                    http1::Builder::new().serve_connection(TokioIo::new(socket), service),
                );
            }
        })
        .await
}

/// Collects the rows of one answer.
#[derive(Default)]
struct Collect {
    writer: Option<RowWriter>,
    json: Vec<u8>,
}

impl Sink for Collect {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.writer = Some(RowWriter::new(columns, RowForm::Array));
        Ok(Wanted::Rows)
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        self.writer.as_mut().ok_or(Stopped)?.row(values, &mut self.json);
        Ok(Wanted::Rows)
    }

    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        self.writer.as_mut().ok_or(Stopped)?.part(part, &mut self.json);
        Ok(Wanted::Rows)
    }
}

fn answer(session: &mut dyn Session, body: &[u8]) -> Result<Response<Full<Bytes>>> {
    let command = command(&serde_json::from_slice(body)?)?;
    let mut rows = Collect { writer: None, json: b"[".to_vec() };
    let done = session.run(&command, &Terms::default(), &mut rows)?;
    rows.json.push(b']');
    let answer = json!({
        "status": "successful",
        "result": { "data": STANDARD.encode(&rows.json), "rowsAffected": done.rows_affected },
    });
    let response = Response::builder().header("Content-Type", "application/json");
    Ok(response.body(Full::new(answer.to_string().into()))?)
}

/// As much of the published body as the benchmark uses.
fn command(body: &serde_json::Value) -> Result<Command> {
    let text = body["command"]["text"].as_str().context("no text")?;
    let parameters = body["command"]["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parameter = |p: &serde_json::Value| Parameter {
        name: p["name"].as_str().unwrap_or_default().to_owned(),
        direction: Direction::Input,
        kind: p["type"].as_str().and_then(ParameterType::from_name).unwrap_or(ParameterType::NVarChar),
        value: p["value"].as_str().map(Hidden::from),
        size: None,
        type_name: None,
    };
    Ok(Command {
        text: Hidden::from(text),
        mode: ExecutionMode::Reader,
        kind: CommandType::Text,
        parameters: parameters.iter().map(parameter).collect(),
        catalogue: None,
    })
}

/// Copies bytes.
pub(crate) async fn relay(target: SocketAddr) -> Result<()> {
    let listener = listen().await?;
    loop {
        let (mut from, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut to = TcpStream::connect(target).await?;
            from.set_nodelay(true)?;
            to.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut from, &mut to).await
        });
    }
}

/// Passes requests on, over one warm connection per caller.
pub(crate) async fn gateway(target: SocketAddr) -> Result<()> {
    let listener = listen().await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            let upstream = TcpStream::connect(target).await?;
            upstream.set_nodelay(true)?;
            let (send, connection) = client::handshake(TokioIo::new(upstream)).await?;
            tokio::spawn(connection);
            let send = std::sync::Arc::new(Mutex::new(send));
            let service = service_fn(move |request: Request<Incoming>| {
                let send = send.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let mut send = send.lock().await;
                    send.ready().await?;
                    let answer = send.send_request(Request::from_parts(parts, Full::new(body))).await?;
                    Ok::<Response<BoxBody<Bytes, hyper::Error>>, hyper::Error>(answer.map(BodyExt::boxed))
                }
            });
            anyhow::Ok(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await?)
        });
    }
}
