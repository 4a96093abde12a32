//! One request over HTTP(S): proxies, redirects, ranges, and limits of time.

use std::net::IpAddr;
use std::time::Duration;

use ureq::http::{Response, Uri, header};
use ureq::{Agent, Body, BodyReader, Error, Timeout};

use super::Trouble;

/// Redirects that are followed, one after the other.
const MOST_REDIRECTS: usize = 5;

/// How long a mirror is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For its address, for the connection, and for the answer to begin, each.
    pub answer: Duration,
    /// For the next bytes.
    pub idle: Duration,
    /// Before a broken connection is tried again; doubled each time.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [answer, idle, pause] = [20_000, 30_000, 250].map(Duration::from_millis);
        Patience { answer, idle, pause }
    }
}

/// Asks servers for files.
pub(super) struct Client {
    agent: Agent,
    patience: Patience,
}

/// What a server says before the content, and the content.
pub(super) struct Answer {
    pub status: u16,
    /// Where the content begins in the file, if it is a part of it.
    pub start: Option<u64>,
    /// The whole file's length, if the server says it.
    pub total: Option<u64>,
    pub body: BodyReader<'static>,
}

impl Client {
    pub fn new(patience: Patience) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed here: for each address a proxy is chosen anew, and no time goes by
            // with what stands in them.
            .max_redirects(0)
            .timeout_resolve(Some(patience.answer))
            .timeout_connect(Some(patience.answer))
            .timeout_send_request(Some(patience.answer))
            .timeout_recv_response(Some(patience.answer))
            .timeout_per_read(Some(patience.idle))
            .timeout_per_write(Some(patience.idle))
            .user_agent(concat!("striate/", env!("CARGO_PKG_VERSION")))
            // Ranges and checksums are those of the file as it lies there.
            .accept_encoding("identity")
            .build();
        Client { agent: config.into(), patience }
    }

    /// Asks for the file at `url`, from byte `from` on.
    pub fn get(&self, url: &str, from: u64) -> Result<Answer, Trouble> {
        let mut uri: Uri = url.parse().map_err(|e| Trouble::Refused(format!("is no address ({e})")))?;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.ask(&uri, from).map_err(|e| self.broken(&e))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer(response));
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            uri = location
                .and_then(|location| target(&uri, location))
                .ok_or_else(|| Trouble::Refused("redirects to no web address".into()))?;
        }
        Err(Trouble::Refused(format!("redirects more than {MOST_REDIRECTS} times")))
    }

    fn ask(&self, uri: &Uri, from: u64) -> Result<Response<Body>, Error> {
        let mut request = self.agent.get(uri);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if uri.host().is_some_and(is_loopback) {
            // A proxy's loopback is another machine.
            request = request.config().proxy(None).build();
        }
        request.call()
    }

    /// The reason in a few words.
    pub fn broken(&self, error: &Error) -> Trouble {
        let Patience { answer, idle, .. } = self.patience;
        Trouble::Broken(match error {
            Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => format!("is silent for {idle:?}"),
            Error::Timeout(_) => format!("does not answer within {answer:?}"),
            Error::HostNotFound => "is not found".into(),
            Error::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => "breaks off".into(),
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

/// Start and whole length of `bytes 5-9/10`; the length may be `*`, unknown (RFC 9110, section 14.4).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.trim().split_once('-')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((start.parse().ok()?, total))
}

/// Where `location`, found at `from`, leads; none if that is no web address.
fn target(from: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let place = from.path();
    let folder = &place[..place.rfind('/').map_or(0, |slash| slash + 1)];
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
    fn ranges_are_read() {
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
    fn redirects_lead_to_web_addresses() {
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
    fn loopback_is_known() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.org", "128.0.0.1", "[::2]", "localhost.example.org"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
