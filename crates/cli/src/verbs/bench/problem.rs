//! Kernel problems as text: `mb50ic64ih56oc64oh56kh3ph1n"res2a_branch2b" *3`, `m1024n1024k1024`.

use std::collections::BTreeMap;
use std::path::Path;

use striate_kernels::activation::Activation;
use striate_kernels::conv::ConvDesc;
use striate_kernels::gemm::GemmDesc;
use striate_tensor::file::read_text_limited;
use striate_tensor::{Error, Result};

/// The computation to measure.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    Conv(ConvDesc),
    Gemm(GemmDesc),
}

/// A problem with its text, its name (usually that of a layer) and the number of times it occurs in its network.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub text: String,
    pub name: String,
    pub work: Work,
    pub count: u64,
}

impl Work {
    /// Returns the multiply-adds of one run, including those on padding.
    pub fn macs(&self) -> f64 {
        match self {
            Work::Gemm(d) => d.m as f64 * d.n as f64 * d.k as f64,
            Work::Conv(d) => {
                let outputs =
                    d.batch as f64 * d.out_channels as f64 * d.output[0] as f64 * d.output[1] as f64;
                outputs * (d.in_channels / d.groups * d.kernel[0] * d.kernel[1]) as f64
            }
        }
    }
}

/// Largest file of problems that is read, in bytes.
const LARGEST_FILE: u64 = 4 << 20;

/// Parses the problem `text`, or those in the file of that name; `batch` overrides their batch sizes.
pub fn parse(text: &str, batch: Option<usize>) -> Result<Vec<Problem>> {
    let path = Path::new(text);
    if !path.is_file() {
        // The sizes of a problem contain neither character; its name, in quotation marks, may.
        if text.split('"').next().is_some_and(|sizes| sizes.contains(['/', '.'])) {
            return Err(Error::input(format!("{text}: file not found; see bench/README.md")));
        }
        return Ok(vec![problem(text, batch)?]);
    }
    let content = read_text_limited(path, LARGEST_FILE)?;
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| problem(line, batch).map_err(|e| e.at(text))).collect()
}

fn problem(line: &str, batch: Option<usize>) -> Result<Problem> {
    let invalid = |what: &str| Error::input(format!("problem {line}: {what}; see bench/README.md"));
    // The name precedes the count and may contain anything but a quotation mark.
    let (text, count) = match line.rsplit_once('*') {
        Some((text, count)) if !count.contains('"') => (text.trim(), count.trim()),
        _ => (line, "1"),
    };
    let count: u64 = count.parse().map_err(|_| invalid("* must be followed by a number"))?;
    if !(1..=1 << 20).contains(&count) {
        return Err(invalid("the count after * must be from 1 to 1048576"));
    }
    let (text, name) = match text.split_once("n\"") {
        None => (text, ""),
        Some((text, name)) => {
            let name = name.strip_suffix('"').filter(|name| !name.contains('"'));
            (text, name.ok_or_else(|| invalid("the name must be enclosed in quotation marks"))?)
        }
    };
    let mut fields: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .ok_or_else(|| invalid("the last field has no number"))?;
        let (key, after) = rest.split_at(letters);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let value = after[..digits].parse().map_err(|_| invalid(&format!("{key} has no number")))?;
        fields.insert(key, value);
        rest = &after[digits..];
    }
    let known = [
        "mb", "g", "ic", "oc", "ih", "iw", "oh", "ow", "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw", "m",
        "n", "k",
    ];
    if let Some(key) = fields.keys().find(|key| !known.contains(key)) {
        return Err(invalid(&format!("unknown field {key}")));
    }
    if fields.values().any(|value| *value > 1 << 20) {
        return Err(invalid("a size exceeds 1048576"));
    }
    let work = if fields.contains_key("m") { gemm(&fields) } else { conv(&fields, batch) };
    let work = work.ok_or_else(|| invalid("a size is missing, zero or inconsistent with the others"))?;
    Ok(Problem { text: text.to_owned(), name: name.to_owned(), work, count })
}

fn gemm(fields: &BTreeMap<&str, usize>) -> Option<Work> {
    let get = |key: &str| fields.get(key).copied().filter(|value| *value > 0);
    let (m, n, k) = (get("m")?, get("n")?, get("k")?);
    let activation = Activation::None;
    Some(Work::Gemm(GemmDesc { m, n, k, first: 0, a: [k, 1], b: [n, 1], bias: false, activation }))
}

fn conv(fields: &BTreeMap<&str, usize>, batch: Option<usize>) -> Option<Work> {
    let get = |key: &str| fields.get(key).copied();
    let pair = |h: &str, w: &str, default: usize| {
        let h = get(h).unwrap_or(default);
        [h, get(w).unwrap_or(h)]
    };
    let d = ConvDesc {
        batch: batch.or(get("mb")).unwrap_or(1),
        in_channels: get("ic")?,
        out_channels: get("oc")?,
        groups: get("g").unwrap_or(1),
        input: pair("ih", "iw", 0),
        output: pair("oh", "ow", 0),
        kernel: pair("kh", "kw", 0),
        stride: pair("sh", "sw", 1),
        dilation: pair("dh", "dw", 0).map(|d| d + 1),
        padding: pair("ph", "pw", 0),
        bias: false,
        residual: false,
        activation: Activation::None,
    };
    let sizes = [d.batch, d.in_channels, d.out_channels, d.groups, d.stride[0], d.stride[1]];
    let maps = [d.input, d.output, d.kernel].concat();
    let divisible = !sizes.contains(&0)
        && !maps.contains(&0)
        && d.in_channels.is_multiple_of(d.groups)
        && d.out_channels.is_multiple_of(d.groups);
    // The last window must start inside the padded input.
    let fits = |axis: usize| (d.output[axis] - 1) * d.stride[axis] < d.input[axis] + 2 * d.padding[axis];
    (divisible && fits(0) && fits(1)).then_some(Work::Conv(d))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::output::grouped;

    fn one(text: &str) -> Problem {
        let mut problems = parse(text, None).unwrap();
        assert_eq!(problems.len(), 1);
        problems.remove(0)
    }

    #[test]
    fn problem_is_parsed_with_name_and_count() {
        let problem = one("mb2g2ic8ih9iw7oc6oh9ow7kh3kw1ph1pw0dh1n\"a*b n\" * 12");
        assert_eq!((problem.name.as_str(), problem.count), ("a*b n", 12));
        assert_eq!(problem.work.macs(), (2 * 6 * 9 * 7 * 4 * 3) as f64);
        let Work::Conv(desc) = problem.work else { panic!("not a convolution") };
        assert_eq!((desc.kernel, desc.padding, desc.dilation), ([3, 1], [1, 0], [2, 2]));
        assert_eq!((one("m4n5k6").work.macs(), one("m4n5k6").count), (120.0, 1));
        for text in ["m4n4k4n\"open", "m4n4k4n\"a\"b\"", "m4n4k4 *0", "m4n4k4 *x", "m4n4k4 *99999999999"] {
            assert!(parse(text, None).is_err(), "{text}");
        }
    }

    /// Each network's file agrees with its header and with bench/README.md in the number of convolutions and of
    /// multiply-adds per image; each distinct convolution is listed once, under a unique name.
    #[test]
    fn problem_files_match_their_headers_and_the_readme() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench");
        let readme = fs::read_to_string(bench.join("README.md")).unwrap();
        let mut files = 0;
        for entry in fs::read_dir(bench.join("problems")).unwrap() {
            let path = entry.unwrap().path();
            let problems = parse(path.to_str().unwrap(), Some(1)).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(problems.iter().all(|problem| !problem.name.is_empty()), "{name}");
            let texts: BTreeSet<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
            assert_eq!(texts.len(), problems.len(), "{name} lists a convolution twice");
            let names: BTreeSet<&str> = problems.iter().map(|problem| problem.name.as_str()).collect();
            assert_eq!(names.len(), problems.len(), "{name} uses a name twice");
            if name == "base.txt" {
                continue;
            }
            files += 1;
            let count: u64 = problems.iter().map(|problem| problem.count).sum();
            let macs: f64 = problems.iter().map(|problem| problem.count as f64 * problem.work.macs()).sum();
            let macs = grouped(macs as u64);
            let text = fs::read_to_string(&path).unwrap();
            let header = format!("# {count} convolutions, {macs} multiply-adds per image");
            assert_eq!(text.lines().nth(1), Some(header.as_str()), "{name}");
            let row = readme.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let end = format!("| {count}, {} | {macs} |", problems.len());
            assert!(row.is_some_and(|row| row.ends_with(&end)), "bench/README.md, {name}: {end}");
        }
        assert!(files >= 27, "{files} files");
    }
}
