//! Measures a running `halo practice`: rows a second for a statement, and the server's peak memory.
//!
//!     halo practice --tds 127.0.0.1:0 --json &
//!     cargo run --release -p tds --example measure -- ADDRESS USER PASSWORD [PID [SQL]]

use futures::TryStreamExt;
use std::{error::Error, io::Write};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::{net::TcpStream, time::Instant};
use tokio_util::compat::TokioAsyncWriteCompatExt;

/// A million rows of ten columns, straight from the cursor: see docs/demo-practice.md.
const MILLION: &str = "SELECT TOP 1000000 a.RECORDID, n.N, a.APPOINTMENTDATE, a.APPOINTMENTTIME, a.APPOINTMENTLENGTH, \
    a.APPOINTMENTTYPE, a.CREATED, a.REASON, a.CREATEDBY, y.YESNOWORD \
    FROM APPOINTMENTS a JOIN YESNO y ON y.YESNOCODE = a.URGENT CROSS JOIN Numbers n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("arguments: ADDRESS USER PASSWORD [PID [SQL]]");
    let (address, user, password) = (next()?, next()?, next()?);
    let (pid, sql) = (next().ok(), next().unwrap_or_else(|_| MILLION.to_owned()));
    let mut out = std::io::stdout();
    for level in [EncryptionLevel::NotSupported, EncryptionLevel::On] {
        let mut config = Config::new();
        config.authentication(AuthMethod::sql_server(&user, &password));
        config.encryption(level);
        config.trust_cert();
        config.packet_size(16_384);
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        let mut client = Client::connect(config, stream.compat_write()).await?;
        let begun = Instant::now();
        let mut rows = client.simple_query(sql.as_str()).await?.into_row_stream();
        let (mut count, mut first) = (0u64, None);
        while rows.try_next().await?.is_some() {
            first.get_or_insert_with(|| begun.elapsed());
            count += 1;
        }
        let took = begun.elapsed();
        writeln!(
            out,
            "{level:?}: {count} rows in {took:.2?}, {:.0} rows/s, the first after {:.2?}",
            count as f64 / took.as_secs_f64(),
            first.unwrap_or_default()
        )?;
    }
    if let Some(pid) = pid {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM: not told here");
        writeln!(out, "server: {peak}")?;
    }
    Ok(())
}
