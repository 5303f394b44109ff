//! As much of HTTP/1.1 as the explorer needs: a request without a body, an answer, the end of the
//! connection. Bodies are never read, and nothing is made room for on the word of the other side.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 80 << 10;
/// The most header fields.
const MAX_FIELDS: usize = 64;
/// How long a head may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most connections at a time; one more is closed at once.
const CONNECTIONS: usize = 64;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// The field `Host`; empty if there is none.
    pub(super) host: String,
}

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
}

/// Answers requests until the process ends.
pub(super) fn serve(listener: &TcpListener, answer: Arc<dyn Fn(&Request) -> Answer + Send + Sync>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // There are no descriptors left, or something like it: some will be.
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (counted, answer) = (Arc::clone(&open), Arc::clone(&answer));
        let connection = move || {
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| connection(stream, &*answer)));
            counted.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().spawn(connection).is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn connection(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Answer) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let answer = match head(&mut stream)? {
        Head::Request(request) => answer(&request),
        Head::TooLong => refusal(431, "the head of the request is too long"),
        Head::None => refusal(400, "this is no request"),
    };
    let Answer { status, kind, body } = answer;
    let (length, reason) = (body.len(), reason(status));
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    stream.shutdown(Shutdown::Write)?;
    // What is left unread would have the answer taken back.
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut rest = [0; 4096];
    for _ in 0..256 {
        match stream.read(&mut rest) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    Ok(())
}

/// What has arrived.
enum Head {
    Request(Request),
    TooLong,
    None,
}

fn head(stream: &mut TcpStream) -> std::io::Result<Head> {
    let began = Instant::now();
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let read = match stream.read(&mut part) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes.extend_from_slice(&part[..read]);
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => {
                let host = request
                    .headers
                    .iter()
                    .find(|f| f.name.eq_ignore_ascii_case("host"));
                let host = host.map_or("", |f| std::str::from_utf8(f.value).unwrap_or("?"));
                return Ok(Head::Request(Request {
                    method: request.method.unwrap_or_default().to_owned(),
                    target: request.path.unwrap_or_default().to_owned(),
                    host: host.to_owned(),
                }));
            }
            Ok(httparse::Status::Partial) if read == 0 => return Ok(Head::None),
            Ok(httparse::Status::Partial) => {}
            Err(_) => return Ok(Head::None),
        }
        if bytes.len() > MAX_HEAD {
            return Ok(Head::TooLong);
        }
        if began.elapsed() > PATIENCE {
            return Ok(Head::None);
        }
    }
}

/// An answer that is only a sentence.
pub(super) fn refusal(status: u16, why: &str) -> Answer {
    Answer {
        status,
        kind: "text/plain; charset=utf-8",
        body: format!("{why}\n").into_bytes(),
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        _ => "Internal Server Error",
    }
}
