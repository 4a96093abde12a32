//! The index of a shard, in the format of NVIDIA DALI's `wds2idx`.
//!
//! The first line is `v1.2 N`. A line for each of N samples follows, with extension, start, length and name of each
//! member, separated by spaces. Version 1.1 has no names.

use std::path::{Path, PathBuf};

use striate_tensor::file::{Parts, read_text_limited};
use striate_tensor::text::printable;
use striate_tensor::{Error, Result};

use super::sample::{Member, Sample, split};

/// Largest size of an index in bytes: ten million samples of two members.
const MOST_BYTES: u64 = 1 << 30;

/// Where the index of `shard` lies.
pub(super) fn path_of(shard: &Path) -> PathBuf {
    shard.with_extension("idx")
}

/// Reads the index of `shard`, which is `file`; `None` if there is none.
///
/// # Errors
/// If it is damaged, or has members beyond the end of the shard.
pub(super) fn read(shard: &Path, file: &Parts) -> Result<Option<Vec<Sample>>> {
    let path = path_of(shard);
    if !path.is_file() {
        return Ok(None);
    }
    let text = read_text_limited(&path, MOST_BYTES)?;
    let advice =
        "remove it, so that the headers of the shard are read; if they fail too, the shard is incomplete";
    parse(&text, file.length()).map(Some).map_err(|e| e.advising(advice).at(path.display()))
}

fn parse(text: &str, length: u64) -> Result<Vec<Sample>> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let (has_names, count) = match head[..] {
        ["v1.2", count] => (true, count.parse().ok()),
        ["v1.1", count] => (false, count.parse().ok()),
        _ => return Err(Error::input("is not an index of version 1.1 or 1.2")),
    };
    let mut samples = Vec::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let sample = parsed(line, number, has_names, length);
        samples.push(sample.map_err(|e| e.at(format!("line {}", number + 2)))?);
    }
    match count == Some(samples.len()) {
        true => Ok(samples),
        false => Err(Error::input(format!("has {} samples, but states {}", samples.len(), head[1]))),
    }
}

/// The sample of a line.
fn parsed(line: &str, number: usize, has_names: bool, end: u64) -> Result<Sample> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let fields = if has_names { 4 } else { 3 };
    if words.is_empty() || !words.len().is_multiple_of(fields) {
        return Err(Error::input(format!("does not have {fields} fields for each member")));
    }
    let members = words.chunks(fields).map(|words| {
        let [start, length] = [words[1], words[2]].map(|word| word.parse::<u64>().ok());
        let (Some(start), Some(length)) = (start, length) else {
            return Err(Error::input("has a start or a length that is not a number"));
        };
        if start.checked_add(length).is_none_or(|last| last > end) {
            return Err(Error::input(
                "has a member beyond the end of the shard: the shard is cut off, or the index belongs to another one",
            ));
        }
        let name =
            if has_names { printable(words[3]).into_owned() } else { format!("{number}.{}", words[0]) };
        Ok(Member { name, start, length })
    });
    let members: Vec<Member> = members.collect::<Result<_>>()?;
    Ok(Sample { key: split(&members[0].name).0.to_owned(), members })
}

/// The text of an index.
pub(super) fn written(samples: &[Sample]) -> String {
    let member = |member: &Member| {
        format!("{} {} {} {}", split(&member.name).1, member.start, member.length, member.name)
    };
    let line = |sample: &Sample| sample.members.iter().map(member).collect::<Vec<_>>().join(" ") + "\n";
    format!("v1.2 {}\n", samples.len()) + &samples.iter().map(line).collect::<String>()
}
