//! `arcadia events`: prints what a running program says at `/events`, a CloudEvent a line. The program is asked over
//! HTTP because it has the data directory to itself. It speaks HTTP/1.0, in which an answer is as long as its connection.

use std::io::{self, Write};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::events_route::PATH;

/// Why events cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Nothing listens there.
    #[error("no arcadia is running on port {0}: start one with `cargo run`, or name its port with --port")]
    NotRunning(u16),
    /// It does not let us.
    #[error("the program on port {port} answers {status}: is --data its data directory, and --clock its clock?")]
    Refused {
        /// Where it listens.
        port: u16,
        /// The status line's end.
        status: String,
    },
    /// The connection broke off, or there is nowhere to print.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Prints the events that are kept, and with `follow` those that happen until the program ends.
///
/// # Errors
/// [`FollowError`] if the program is not there or refuses.
pub async fn print(port: u16, token: &str, follow: bool, output: &mut impl Write) -> Result<(), FollowError> {
    let connected = TcpStream::connect(("127.0.0.1", port)).await;
    let mut connection = BufReader::new(connected.map_err(|_| FollowError::NotRunning(port))?);
    let request = format!(
        "GET {PATH}?follow={follow} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\
         Last-Event-ID: 0\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await?;
    let mut lines = connection.lines();
    let status = lines.next_line().await?.unwrap_or_default();
    let status = status.split_once(' ').map_or("nothing", |(_, status)| status).to_owned();
    if !status.starts_with("200") {
        return Err(FollowError::Refused { port, status });
    }
    while let Some(line) = lines.next_line().await? {
        if line == "event: gap" {
            eprintln!("some events are not kept any more");
        } else if let Some(event) = line.strip_prefix("data: ").filter(|data| *data != "{}") {
            writeln!(output, "{event}")?;
            output.flush()?;
        }
    }
    Ok(())
}
