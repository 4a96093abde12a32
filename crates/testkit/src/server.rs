//! An HTTP/1.1 server on the loopback interface that responds as a test specifies, including invalid responses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A request, and what was sent in response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path, including the leading slash.
    pub path: String,
    /// N in the header `Range: bytes=N-`.
    pub from: Option<usize>,
    /// Number of content bytes sent.
    pub sent: usize,
}

/// A response of the server.
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
    /// A response with a status and a short text.
    pub fn status(status: u16) -> Reply {
        let (headers, body) = (Vec::new(), b"text instead of data".to_vec());
        Reply { status, headers, body, cut: None, stalls: false, chunked: false, length: None }
    }

    /// All of `bytes`, regardless of the requested range.
    pub fn whole(bytes: &[u8]) -> Reply {
        Reply { body: bytes.to_vec(), ..Reply::status(200) }
    }

    /// The requested range of `bytes`, as a correct server responds.
    pub fn range(bytes: &[u8], request: &Request) -> Reply {
        match request.from {
            None => Reply::whole(bytes),
            Some(from) if from < bytes.len() => Reply::piece(bytes, from),
            Some(_) => Reply::status(416).header(&format!("Content-Range: bytes */{}", bytes.len())),
        }
    }

    /// The part of `bytes` that starts at `from`.
    pub fn piece(bytes: &[u8], from: usize) -> Reply {
        let range = format!("Content-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        Reply { body: bytes[from..].to_vec(), ..Reply::status(206) }.header(&range)
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Reply {
        Reply::status(status).header(&format!("Location: {location}"))
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, line: &str) -> Reply {
        self.headers.push(line.to_owned());
        self
    }

    /// Closes the connection after this many bytes of content.
    #[must_use]
    pub fn cut_after(self, bytes: usize) -> Reply {
        Reply { cut: Some(bytes), ..self }
    }

    /// Sends this many bytes of content, then nothing until the client gives up.
    #[must_use]
    pub fn stalled_after(self, bytes: usize) -> Reply {
        Reply { cut: Some(bytes), stalls: true, ..self }
    }

    /// Sends the content in chunks, without its length.
    #[must_use]
    pub fn chunked(self) -> Reply {
        Reply { chunked: true, ..self }
    }

    /// Announces a length that differs from that of the content.
    #[must_use]
    pub fn with_length(self, length: u64) -> Reply {
        Reply { length: Some(length), ..self }
    }

    /// The content that is actually sent.
    fn content(&self) -> &[u8] {
        &self.body[..self.cut.unwrap_or(self.body.len()).min(self.body.len())]
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Test\r\nConnection: close\r\n", self.status);
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

/// The server; stops when dropped.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server that responds with `answer`, which gets the request and the number of previous requests.
    ///
    /// # Panics
    /// If the loopback interface is not available.
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
                // Errors are ignored: the client may have closed the connection.
                std::thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Server { address, requests, stop, thread: Some(thread) }
    }

    /// Starts a correct server for one file, at any path.
    pub fn of(bytes: Vec<u8>) -> Server {
        Server::new(move |request, _| Reply::range(&bytes, request))
    }

    /// The server's URL, with a trailing slash.
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
        // Wakes the thread that is waiting for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The URL of a loopback port on which nothing is listening.
///
/// # Panics
/// If the loopback interface is not available.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    format!("http://{}/", listener.local_addr().expect("it has an address"))
}

/// Compresses `bytes` with gzip.
///
/// # Panics
/// Never: writing to memory does not fail.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("writing to memory does not fail");
    packer.finish().expect("writing to memory does not fail")
}

/// Reads one request, responds, and closes the connection.
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
        // Logged before the client gets the response, because the test may check the log immediately.
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
