//! Problems as text: `mb50ic64ih56oc64oh56kh3ph1n"res2a_branch2b" *3`, `m1024n1024k1024`.

use std::collections::BTreeMap;
use std::path::Path;

use striate_kernels::activation::Activation;
use striate_kernels::conv::ConvDesc;
use striate_kernels::gemm::GemmDesc;
use striate_tensor::{Error, Result};

/// What is timed.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    Conv(ConvDesc),
    Gemm(GemmDesc),
}

/// A problem with its text and how often it occurs in its network.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub text: String,
    pub work: Work,
    pub count: u64,
}

/// The problem that `text` is, or those in the file that it names; `batch` replaces their images.
pub fn parse(text: &str, batch: Option<usize>) -> Result<Vec<Problem>> {
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(vec![problem(text, batch)?]);
    }
    let content = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| problem(line, batch).map_err(|e| e.at(text))).collect()
}

fn problem(line: &str, batch: Option<usize>) -> Result<Problem> {
    let faulty = |what: &str| Error::input(format!("problem {line}: {what}; see bench/README.md"));
    let (text, count) = line.split_once('*').unwrap_or((line, "1"));
    let count = count.trim().parse().map_err(|_| faulty("what follows * is no number"))?;
    let (text, _name) = text.trim().split_once("n\"").unwrap_or((text.trim(), ""));
    let mut fields: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let letters =
            rest.find(|c: char| !c.is_ascii_alphabetic()).ok_or_else(|| faulty("it ends in letters"))?;
        let (key, after) = rest.split_at(letters);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let value = after[..digits].parse().map_err(|_| faulty(&format!("{key} has no number")))?;
        fields.insert(key, value);
        rest = &after[digits..];
    }
    let known = [
        "mb", "g", "ic", "oc", "ih", "iw", "oh", "ow", "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw", "m",
        "n", "k",
    ];
    if let Some(key) = fields.keys().find(|key| !known.contains(key)) {
        return Err(faulty(&format!("unknown field {key}")));
    }
    if fields.values().any(|value| *value > 1 << 20) {
        return Err(faulty("a size is absurdly large"));
    }
    let work = if fields.contains_key("m") { gemm(&fields) } else { conv(&fields, batch) };
    let work = work.ok_or_else(|| faulty("a size is missing, zero or does not fit the others"))?;
    Ok(Problem { text: text.to_owned(), work, count })
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
    let whole = !sizes.contains(&0)
        && !maps.contains(&0)
        && d.in_channels.is_multiple_of(d.groups)
        && d.out_channels.is_multiple_of(d.groups);
    // The last window begins within the padded input.
    let fits = |axis: usize| (d.output[axis] - 1) * d.stride[axis] < d.input[axis] + 2 * d.padding[axis];
    (whole && fits(0) && fits(1)).then_some(Work::Conv(d))
}
