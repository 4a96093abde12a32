//! A headless Chromium, driven over a pipe by the Chrome DevTools Protocol: how a page looks in a browser.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The names of the program on `PATH`, in the order in which they are tried.
const PROGRAMS: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rows of a window.
const HEIGHT: usize = 800;

/// A running browser with one page. It ends with this value, and leaves no files.
pub struct Browser {
    process: Child,
    requests: ChildStdin,
    answers: Receiver<Value>,
    session: Option<String>,
    /// The number of requests sent so far.
    asked: u64,
    /// Messages that answered no request: events of the page.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts the first browser on `PATH`; `None` if there is none.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start() -> Result<Option<Browser>, String> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<_> = std::env::split_paths(&folders).collect();
        let mut programs =
            PROGRAMS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        let Some(program) = programs.find(|program| program.is_file()) else { return Ok(None) };
        let profile = tempfile::tempdir().map_err(|e| e.to_string())?;
        // The protocol uses file descriptors 3 and 4.
        let mut process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 1>&2"#])
            .arg(&program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ])
            .args(["--no-first-run", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let requests = process.stdin.take().ok_or("no pipe")?;
        let answers = answers(process.stdout.take().ok_or("no pipe")?);
        let mut browser = Browser {
            process,
            requests,
            answers,
            session: None,
            asked: 0,
            events: Vec::new(),
            _profile: profile,
        };
        browser.attach().map_err(|e| format!("{} does not start: {e}", program.display()))?;
        Ok(Some(browser))
    }

    /// Opens a page and listens to it.
    fn attach(&mut self) -> Result<(), String> {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }))?["targetId"].clone();
        let attached = self.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }))?;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        ["Page.enable", "Runtime.enable", "Log.enable"]
            .iter()
            .try_for_each(|method| self.call(method, json!({})).map(drop))?;
        self.call("Page.setLifecycleEventsEnabled", json!({ "enabled": true })).map(drop)
    }

    /// Shows the page in the file at `path` in a window of `width` pixels, in the color scheme `light` or `dark`.
    ///
    /// # Errors
    /// If the browser does not load it.
    pub fn show(&mut self, path: &Path, width: usize, scheme: &str) -> Result<(), String> {
        let size = json!({ "width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size)?;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features)?;
        let shown = self.call("Page.navigate", json!({ "url": format!("file://{}", path.display()) }))?;
        if let Some(error) = shown["errorText"].as_str() {
            return Err(format!("{}: {error}", path.display()));
        }
        // The event may have come before the answer, and that of an earlier page may come after it.
        let is_loaded = |event: &Value| {
            event["method"] == "Page.lifecycleEvent"
                && event["params"]["name"] == "load"
                && event["params"]["loaderId"] == shown["loaderId"]
        };
        let until = Instant::now() + PATIENCE;
        while !self.events.iter().any(is_loaded) {
            let event = self.next(until)?;
            self.events.push(event);
        }
        Ok(())
    }

    /// Returns the value of a JavaScript expression in the page.
    ///
    /// # Errors
    /// If it throws.
    pub fn value(&mut self, expression: &str) -> Result<Value, String> {
        let request = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", request)?;
        match answer["exceptionDetails"].is_null() {
            true => Ok(answer["result"]["value"].take()),
            false => Err(answer["exceptionDetails"].to_string()),
        }
    }

    /// Returns the first `height` rows of the page as PNG.
    ///
    /// # Errors
    /// If the browser does not draw it.
    pub fn screenshot(&mut self, width: usize, height: usize) -> Result<Vec<u8>, String> {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let drawn =
            self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip }))?;
        from_base64(drawn["data"].as_str().ok_or("no picture")?).ok_or("the picture is not Base64".to_owned())
    }

    /// Takes what the console has shown since the last call: messages, errors, uncaught exceptions.
    pub fn console(&mut self) -> Vec<String> {
        let spoken = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"];
        let events = std::mem::take(&mut self.events);
        let events =
            events.into_iter().filter(|event| spoken.iter().any(|method| event["method"] == *method));
        events.map(|event| event["params"].to_string()).collect()
    }

    /// Sends a request and returns its result.
    fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.asked += 1;
        let mut request = json!({ "id": self.asked, "method": method, "params": params });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.requests.write_all(format!("{request}\0").as_bytes()).map_err(|e| format!("{method}: {e}"))?;
        let until = Instant::now() + PATIENCE;
        loop {
            let mut answer = self.next(until).map_err(|e| format!("{method}: {e}"))?;
            match (answer["id"] == self.asked, answer["error"]["message"].as_str()) {
                (true, None) => return Ok(answer["result"].take()),
                (true, Some(error)) => return Err(format!("{method}: {error}")),
                (false, _) => self.events.push(answer),
            }
        }
    }

    fn next(&mut self, until: Instant) -> Result<Value, String> {
        let rest = until.saturating_duration_since(Instant::now());
        self.answers.recv_timeout(rest).map_err(|_| "the browser does not answer".to_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads messages, each of which ends with a zero byte, as they come.
fn answers(pipe: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut message = Vec::new();
        while pipe.read_until(0, &mut message).is_ok_and(|count| count > 0) {
            message.pop();
            let Ok(answer) = serde_json::from_slice(&message) else { return };
            if sender.send(answer).is_err() {
                return;
            }
            message.clear();
        }
    });
    receiver
}

/// Decodes Base64 (RFC 4648).
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648.
    #[test]
    fn base64_is_decoded() {
        for (text, expected) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE=", "fooba")]
        {
            assert_eq!(from_base64(text).unwrap(), expected.as_bytes());
        }
        assert!(from_base64("Zm9v\n").is_none());
    }
}
