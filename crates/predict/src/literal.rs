//! Parses lists and maps of names, as JSON or as printed by Python: `{0: 'tench', 1: "driver's"}`.

use serde_json::{Map, Value};
use striate_tensor::{Error, Result};

/// Limit of nested lists and maps.
const DEEPEST: usize = 8;

/// Parses `text` as JSON, else as a Python literal of lists, tuples, dictionaries, strings and numbers.
///
/// # Errors
/// If it is neither.
pub(crate) fn parse(text: &str) -> Result<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let mut parser = Parser { rest: text };
    let value = parser.value(0)?;
    parser.skip_space();
    match parser.rest.is_empty() {
        true => Ok(value),
        false => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn unexpected(&self) -> Error {
        let found: String = self.rest.chars().take(20).filter(|c| !c.is_control()).collect();
        Error::input(format!("is neither JSON nor a Python literal; unexpected at `{found}`"))
    }

    /// Consumes `word` if it comes next.
    fn take(&mut self, word: char) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > DEEPEST {
            return Err(Error::input("lists are nested too deeply"));
        }
        self.skip_space();
        match self.rest.chars().next() {
            Some('{') => self.map(depth),
            Some('[' | '(') => self.list(depth),
            Some('\'' | '"') => Ok(Value::String(self.string()?)),
            _ => self.number(),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value> {
        self.take('{');
        let mut map = Map::new();
        while !self.take('}') {
            let key = match self.value(DEEPEST)? {
                Value::String(key) => key,
                Value::Number(key) => key.to_string(),
                _ => return Err(self.unexpected()),
            };
            if !self.take(':') {
                return Err(self.unexpected());
            }
            let value = self.value(depth + 1)?;
            if map.insert(key.clone(), value).is_some() {
                let key: String = key.chars().take(40).filter(|c| !c.is_control()).collect();
                return Err(Error::input(format!("contains {key} twice")));
            }
            if !self.take(',') && !self.rest.trim_start().starts_with('}') {
                return Err(self.unexpected());
            }
        }
        Ok(Value::Object(map))
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        let end = if self.take('[') { ']' } else { ')' };
        if end == ')' {
            self.take('(');
        }
        let mut list = Vec::new();
        while !self.take(end) {
            list.push(self.value(depth + 1)?);
            if !self.take(',') && !self.rest.trim_start().starts_with(end) {
                return Err(self.unexpected());
            }
        }
        Ok(Value::Array(list))
    }

    fn string(&mut self) -> Result<String> {
        let mut chars = self.rest.chars();
        let quote = chars.next();
        let mut text = String::new();
        loop {
            match chars.next() {
                None => return Err(Error::input("unterminated string")),
                Some('\\') => match chars.next() {
                    Some(c @ ('\\' | '\'' | '"')) => text.push(c),
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('x' | 'u')) => {
                        let digits: String = chars.by_ref().take(if c == 'x' { 2 } else { 4 }).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        text.push(
                            code.ok_or_else(|| Error::input(format!("\\{c}{digits} is not a character")))?,
                        );
                    }
                    _ => return Err(Error::input("unknown escape sequence in a string")),
                },
                end if end == quote => break,
                Some(c) => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }

    fn number(&mut self) -> Result<Value> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let number: serde_json::Number = word.parse().map_err(|_| self.unexpected())?;
        self.rest = rest;
        Ok(Value::Number(number))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_python_literals_are_parsed() {
        for (text, expected) in [
            (r#"["a", "b"]"#, json!(["a", "b"])),
            (
                r#"{0: 'tench', 1: "driver's", 2: 'caf\xe9',}"#,
                json!({"0": "tench", "1": "driver's", "2": "café"}),
            ),
            ("('a', 'b')", json!(["a", "b"])),
            ("[ ]", json!([])),
            (r"{'a': [1, 2.5]}", json!({"a": [1, 2.5]})),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{0: }",
            "{0 'a'}",
            "['a' 'b']",
            "['a",
            "[None]",
            "{0: 'a', 0: 'b'}",
            "['a'] x",
            "{[]: 1}",
            &deep,
        ] {
            assert!(parse(text).unwrap_err().is_input(), "{text}");
        }
    }
}
