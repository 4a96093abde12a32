//! The mirrors to download from: those in `$STRIATE_MIRROR`, or the built-in ones.

use striate_tensor::{Error, Result};
use ureq::http::Uri;
use ureq::http::uri::Scheme;

/// The environment variable that replaces the built-in mirrors.
const VARIABLE: &str = "STRIATE_MIRROR";

/// Returns the mirrors set in the environment, or else the `default` ones.
pub(crate) fn mirrors(default: &[&str]) -> Result<Vec<String>> {
    let named = match std::env::var(VARIABLE) {
        Ok(text) => parse(&text)?,
        Err(std::env::VarError::NotPresent) => Vec::new(),
        Err(error) => return Err(Error::input(format!("{VARIABLE}: {error}"))),
    };
    Ok(if named.is_empty() { default.iter().map(ToString::to_string).collect() } else { named })
}

/// Parses addresses separated by white space or commas; each result ends with a slash.
fn parse(text: &str) -> Result<Vec<String>> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(base).collect()
}

fn base(word: &str) -> Result<String> {
    match word.parse::<Uri>() {
        Ok(uri) if is_base(&uri) => Ok(format!("{}/", word.trim_end_matches('/'))),
        _ => Err(Error::input(format!(
            "{VARIABLE}: {} is not an address of a mirror; give the folder with the files, as http://HOST/FOLDER or https://HOST/FOLDER",
            shown(word)
        ))),
    }
}

/// Returns whether `uri` has an HTTP(S) scheme, a host, no port or a valid one, and no query.
fn is_base(uri: &Uri) -> bool {
    let is_web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    let has_host = uri.authority().is_some_and(|authority| {
        let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
        !authority.host().is_empty() && (host_and_port == authority.host() || authority.port_u16().is_some())
    });
    is_web && has_host && uri.query().is_none()
}

/// Returns the address without credentials.
pub(crate) fn shown(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_separated_by_white_space_or_commas() {
        assert_eq!(parse(" ,\n").unwrap(), Vec::<String>::new());
        let both = ["http://a/", "https://b.example:8443/c/d/"];
        assert_eq!(parse("http://a, https://b.example:8443/c/d").unwrap(), both);
        assert_eq!(parse("http://a/\nhttps://b.example:8443/c/d//").unwrap(), both);
        assert_eq!(parse("HTTP://a").unwrap(), ["HTTP://a/"]);
    }

    #[test]
    fn other_addresses_are_refused() {
        for word in
            ["ftp://a/b", "file:///data", "a/b", "http://", "http:///x", "http://a?b=c", "http://a:port"]
        {
            let error = parse(&format!("http://good {word}")).unwrap_err();
            assert!(error.is_input(), "{word}");
            assert!(
                error.to_string().contains(&format!("STRIATE_MIRROR: {word} is not an address")),
                "{error}"
            );
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown("https://me:secret@host/a@b"), "https://host/a@b");
        assert_eq!(shown("http://host:80"), "http://host:80");
        let error = parse("ftp://me:secret@host/").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
