//! A small HTTP/1.1 client for a gateway on this machine.

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, client::conn::http1, header::HeaderMap};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// One keep-alive connection to a gateway, with its subscription key.
#[derive(Debug)]
pub struct Client {
    send: http1::SendRequest<Full<Bytes>>,
    host: String,
    key: String,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the answer is not JSON")
    }
}

impl Client {
    /// Connects to a base URL like `http://127.0.0.1:8080`.
    pub async fn connect(base: &str, key: &str) -> Result<Client> {
        let host = base.strip_prefix("http://").ok_or_else(|| anyhow!("{base} is not an http:// address"))?;
        let stream =
            TcpStream::connect(host).await.with_context(|| format!("no gateway answers at {base}"))?;
        stream.set_nodelay(true)?;
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // The next request on this connection reports what went wrong with it.
            let _ = connection.await;
        });
        Ok(Client { send, host: host.to_owned(), key: key.to_owned() })
    }

    /// Sends a request; the body of the answer is still to be read.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", &self.host)
            .header("Ocp-Apim-Subscription-Key", &self.key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send.ready().await?;
        Ok(self.send.send_request(request.body(Full::new(body.into()))?).await?)
    }

    /// Sends a request and reads the whole answer.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let (parts, body) = self.send(method, path, headers, body).await?.into_parts();
        let body = body.collect().await.context("the answer was cut")?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, &[], Bytes::new()).await
    }

    /// POST of a JSON body.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        self.call(Method::POST, path, &[("Content-Type", "application/json")], body.to_string()).await
    }
}
