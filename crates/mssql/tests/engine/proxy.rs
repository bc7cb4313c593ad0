//! Between engine and server: loses the engine's ATTENTIONs, or cuts the line.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// Plain packets only: the server has no TLS.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) deaf: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

const ATTENTION: u8 = 6;

impl Proxy {
    pub(crate) fn new(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (deaf, streams) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let proxy = Proxy { port, deaf: Arc::clone(&deaf), streams: Arc::clone(&streams) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                    streams.lock().unwrap().push(stream.try_clone().unwrap());
                }
                let (mut back, mut out) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut back, &mut out);
                    let _ = out.shutdown(Shutdown::Both);
                });
                let deaf = Arc::clone(&deaf);
                std::thread::spawn(move || {
                    let _ = forward(client, &server, &deaf);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        proxy
    }

    pub(crate) fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn forward(mut client: TcpStream, mut server: &TcpStream, deaf: &AtomicBool) -> std::io::Result<()> {
    loop {
        let mut packet = vec![0; 8];
        client.read_exact(&mut packet)?;
        packet.resize(usize::from(u16::from_be_bytes([packet[2], packet[3]])), 0);
        client.read_exact(&mut packet[8..])?;
        if packet[0] != ATTENTION || !deaf.load(Ordering::SeqCst) {
            server.write_all(&packet)?;
        }
    }
}
