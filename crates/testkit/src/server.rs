//! An HTTP/1.1 server on loopback that does what a test tells it, also what no server should.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A request as it came, and what was sent for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path, which begins with a slash.
    pub path: String,
    /// N of the header `Range: bytes=N-`.
    pub from: Option<usize>,
    /// Bytes of content that were sent.
    pub sent: usize,
}

/// What the server answers.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
    cut: Option<usize>,
    stalls: bool,
    chunked: bool,
    length: Option<u64>,
}

impl Reply {
    /// A status with some words.
    pub fn status(status: u16) -> Reply {
        let (headers, body) = (Vec::new(), b"words that are no data".to_vec());
        Reply { status, headers, body, cut: None, stalls: false, chunked: false, length: None }
    }

    /// All of `bytes`, whatever range was asked for.
    pub fn whole(bytes: &[u8]) -> Reply {
        Reply { body: bytes.to_vec(), ..Reply::status(200) }
    }

    /// The range of `bytes` that was asked for, as a good server answers.
    pub fn range(bytes: &[u8], request: &Request) -> Reply {
        match request.from {
            None => Reply::whole(bytes),
            Some(from) if from < bytes.len() => Reply::piece(bytes, from),
            Some(_) => Reply::status(416).header(&format!("Content-Range: bytes */{}", bytes.len())),
        }
    }

    /// `bytes` from `from` on.
    pub fn piece(bytes: &[u8], from: usize) -> Reply {
        let range = format!("Content-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        Reply { body: bytes[from..].to_vec(), ..Reply::status(206) }.header(&range)
    }

    /// The file is elsewhere.
    pub fn redirect(status: u16, location: &str) -> Reply {
        Reply::status(status).header(&format!("Location: {location}"))
    }

    /// Also sends this line.
    #[must_use]
    pub fn header(mut self, line: &str) -> Reply {
        self.headers.push(line.to_owned());
        self
    }

    /// Breaks the connection after so many bytes of content.
    #[must_use]
    pub fn cut_after(self, bytes: usize) -> Reply {
        Reply { cut: Some(bytes), ..self }
    }

    /// Sends so many bytes of content, then nothing, until the other side gives up.
    #[must_use]
    pub fn stalled_after(self, bytes: usize) -> Reply {
        Reply { cut: Some(bytes), stalls: true, ..self }
    }

    /// Sends the content in chunks, its length unsaid.
    #[must_use]
    pub fn chunked(self) -> Reply {
        Reply { chunked: true, ..self }
    }

    /// Says another length than the content has.
    #[must_use]
    pub fn with_length(self, length: u64) -> Reply {
        Reply { length: Some(length), ..self }
    }

    /// The content that is sent.
    fn content(&self) -> &[u8] {
        &self.body[..self.cut.unwrap_or(self.body.len()).min(self.body.len())]
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} As Told\r\nConnection: close\r\n", self.status);
        self.headers.iter().for_each(|line| head += &format!("{line}\r\n"));
        head += &match self.chunked {
            true => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            false => format!("Content-Length: {}\r\n\r\n", self.length.unwrap_or(self.body.len() as u64)),
        };
        stream.write_all(head.as_bytes())?;
        for chunk in self.content().chunks(1000) {
            if self.chunked {
                stream.write_all(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())?;
            } else {
                stream.write_all(chunk)?;
            }
        }
        if self.chunked && self.cut.is_none() {
            stream.write_all(b"0\r\n\r\n")?;
        }
        Ok(())
    }
}

/// The server; it stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// A server that answers each request by `answer`, which also gets the number of requests before.
    ///
    /// # Panics
    /// If there is no loopback.
    pub fn new(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it has an address");
        let (requests, stop) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let (log, stopped) = (requests.clone(), stop.clone());
        let answer = Arc::new(answer);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (log, answer) = (log.clone(), answer.clone());
                // A client that is gone is no concern of the server's.
                std::thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Server { address, requests, stop, thread: Some(thread) }
    }

    /// A good server for one file, whatever its path.
    pub fn of(bytes: Vec<u8>) -> Server {
        Server::new(move |request, _| Reply::range(&bytes, request))
    }

    /// Its address, with a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The requests so far.
    ///
    /// # Panics
    /// If an answer panicked.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no answer panics").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An address on loopback where nobody listens.
///
/// # Panics
/// If there is no loopback.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    format!("http://{}/", listener.local_addr().expect("it has an address"))
}

/// `bytes`, compressed by gzip.
///
/// # Panics
/// Never: memory takes everything.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("memory takes everything");
    packer.finish().expect("memory takes everything")
}

/// Reads one request, answers it, and ends the connection.
fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Request>>,
    answer: &(dyn Fn(&Request, usize) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let Some(request) = read_request(&mut reader)? else { return Ok(()) };
    let reply = {
        let mut log = log.lock().expect("no answer panics");
        let before = log.len();
        let reply = answer(&request, before);
        // In the log before the client has its answer: a test may look at once.
        log.push(Request { sent: reply.content().len(), ..request });
        reply
    };
    let mut stream = reader.into_inner();
    reply.send(&mut stream)?;
    if reply.stalls {
        stream.read_to_end(&mut Vec::new())?;
    }
    stream.shutdown(Shutdown::Both)
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some(path) = line.split(' ').nth(1).map(str::to_owned) else { return Ok(None) };
    let mut from = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(Request { path, from, sent: 0 }));
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("range") {
            from = value.trim().strip_prefix("bytes=").and_then(|v| v.strip_suffix('-')?.parse().ok());
        }
    }
}
