//! A single HTTP(S) request: proxies, redirects, ranges and timeouts.

use std::net::IpAddr;
use std::time::Duration;

use ureq::http::{Response, Uri, header};
use ureq::{Agent, Body, BodyReader, Error, Timeout};

use super::Failure;

/// Longest chain of redirects that is followed.
const MAX_REDIRECTS: usize = 5;

/// Timeouts and pauses for mirrors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// Timeout for name resolution, for the connection, and for the start of the answer, each.
    pub answer: Duration,
    /// Timeout for the next bytes.
    pub idle: Duration,
    /// Pause before the first retry; doubled each time.
    pub pause: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let [answer, idle, pause] = [20_000, 30_000, 250].map(Duration::from_millis);
        Timeouts { answer, idle, pause }
    }
}

/// An HTTP client for files.
pub(super) struct Client {
    agent: Agent,
    timeouts: Timeouts,
}

/// A server's answer: status, position, length and body.
pub(super) struct Answer {
    pub status: u16,
    /// Offset of the body in the file, if the body is a range of it.
    pub start: Option<u64>,
    /// Length of the whole file, if the server reports it.
    pub total: Option<u64>,
    pub body: BodyReader<'static>,
}

impl Client {
    pub fn new(timeouts: Timeouts) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed by `get`, which selects a proxy for each address and does not read the body of
            // a redirect.
            .max_redirects(0)
            .timeout_resolve(Some(timeouts.answer))
            .timeout_connect(Some(timeouts.answer))
            .timeout_send_request(Some(timeouts.answer))
            .timeout_recv_response(Some(timeouts.answer))
            .timeout_per_read(Some(timeouts.idle))
            .timeout_per_write(Some(timeouts.idle))
            .user_agent(concat!("striate/", env!("CARGO_PKG_VERSION")))
            // Ranges and checksums refer to the file as it is stored.
            .accept_encoding("identity")
            .build();
        Client { agent: config.into(), timeouts }
    }

    /// Requests the file at `url`, starting at byte `from`.
    pub fn get(&self, url: &str, from: u64) -> Result<Answer, Failure> {
        let mut uri: Uri =
            url.parse().map_err(|e| Failure::Refused(format!("is not a valid address ({e})")))?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(&uri, from).map_err(|e| self.broken(&e))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer(response));
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            uri = location.and_then(|location| target(&uri, location)).ok_or_else(|| {
                Failure::Refused("redirects to something other than an HTTP(S) address".into())
            })?;
        }
        Err(Failure::Refused(format!("redirects more than {MAX_REDIRECTS} times")))
    }

    fn ask(&self, uri: &Uri, from: u64) -> Result<Response<Body>, Error> {
        let mut request = self.agent.get(uri);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if uri.host().is_some_and(is_loopback) {
            // For a proxy, loopback would be its own machine.
            request = request.config().proxy(None).build();
        }
        request.call()
    }

    /// Describes an error of the connection.
    pub fn broken(&self, error: &Error) -> Failure {
        let Timeouts { answer, idle, .. } = self.timeouts;
        Failure::Broken(match error {
            Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => format!("sent nothing for {idle:?}"),
            Error::Timeout(_) => format!("did not answer within {answer:?}"),
            Error::HostNotFound => "was not found".into(),
            Error::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                "closed the connection early".into()
            }
            Error::Io(e) => format!("cannot be reached ({e})"),
            other => format!("cannot be reached ({other})"),
        })
    }
}

fn answer(response: Response<Body>) -> Answer {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let range = range.and_then(content_range);
    let length = response.body().content_length();
    let status = response.status().as_u16();
    let (start, total) = match (status, range) {
        (206, Some((start, total))) => {
            (Some(start), total.or_else(|| length.and_then(|length| start.checked_add(length))))
        }
        (200, _) => (None, length),
        _ => (None, None),
    };
    Answer { status, start, total, body: response.into_body().into_reader() }
}

/// Parses the start and the total length from `bytes 5-9/10`. A total of `*` is unknown (RFC 9110, section 14.4).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.trim().split_once('-')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((start.parse().ok()?, total))
}

/// Resolves `location` against `from`; returns `None` unless the result is an HTTP(S) address.
fn target(from: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let path = from.path();
    let folder = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
    let location = location.split('#').next()?;
    let text = match location {
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ if location.contains("://") => location.to_owned(),
        _ => format!("{scheme}://{authority}{folder}{location}"),
    };
    let uri: Uri = text.parse().ok()?;
    (matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()).then_some(uri)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_parsed() {
        for (text, expected) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 0-0/*", Some((0, None))),
            ("bytes */10", None),
            ("bytes 5-9", None),
            ("bytes -9/10", None),
            ("lines 5-9/10", None),
            ("bytes 99999999999999999999-9/10", None),
            ("", None),
        ] {
            assert_eq!(content_range(text), expected, "{text}");
        }
    }

    #[test]
    fn redirects_resolve_to_http_addresses_only() {
        let from: Uri = "http://host:80/a/b.gz?x=1".parse().unwrap();
        for (location, expected) in [
            ("https://other/c", Some("https://other/c")),
            ("//other/c", Some("http://other/c")),
            ("/c?d=e#f", Some("http://host:80/c?d=e")),
            ("c.gz", Some("http://host:80/a/c.gz")),
            ("ftp://other/c", None),
            ("http://", None),
        ] {
            assert_eq!(target(&from, location).map(|uri| uri.to_string()).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognized() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.org", "128.0.0.1", "[::2]", "localhost.example.org"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
