//! `striate history`

mod charts;
mod lineage;
mod page;
mod svg;

use anyhow::Result;
use serde_json::{Value, json};
use striate_models::history::{self, Claim, Counts, LINE, PublishedError, Station};

use crate::arguments::History;
use crate::json;
use crate::output::{check_folder, grouped, table, write_file};

/// A station with what its network's graph counts.
struct Counted {
    station: &'static Station,
    counts: Option<Counts>,
}

pub fn run(args: History) -> Result<()> {
    args.html.iter().try_for_each(|page| check_folder(page))?;
    let counted = |station: &'static Station| Ok(Counted { station, counts: station.counts()? });
    let line = LINE.iter().map(counted).collect::<Result<Vec<_>>>()?;
    let claims = history::claims()?;
    if let Some(path) = &args.html {
        write_file(path, page::page(&line, &claims).as_bytes())?;
        eprintln!("{} written", path.display());
    }
    if args.json {
        return Ok(json::print(&as_json(&line, &claims))?);
    }
    if args.html.is_none() {
        print!("{}", text(&line, &claims));
    }
    Ok(())
}

fn text(line: &[Counted], claims: &[Claim]) -> String {
    let mut text = format!("{}\n", sizes(line));
    text += "layers: convolutions and linear layers on the longest path; params, MACs and neurons are counted in\n";
    text += "the graphs of `striate models`; words in place of figures are what the authors state.\n";
    text += &format!("\n{}\n", errors(line));
    text +=
        "The lowest errors that the authors published, in brackets how many networks voted. What is often\n";
    text += "said, and what counting gives:\n\n";
    for claim in claims {
        text += &wrapped("  ", claim.claim);
        text += &wrapped("    ", &format!("{}: {}", claim.verdict.words(), claim.counted));
    }
    text
}

fn sizes(line: &[Counted]) -> String {
    let head = ["", "year", "branch", "layers", "params", "MACs", "neurons"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for Counted { station, counts } in line {
        let of =
            |what: fn(&Counts) -> u64| counts.as_ref().map_or(String::new(), |counts| grouped(what(counts)));
        rows.push(vec![
            station.name.into(),
            station.year.to_string(),
            station.branch.name().into(),
            of(|counts| counts.depth as u64),
            of(|counts| counts.params),
            of(|counts| counts.macs),
            of(|counts| counts.neurons),
        ]);
    }
    // A row without figures ends where they would begin.
    ending_in_words(&table(&rows), line.iter().map(|counted| counted.station.stated))
}

fn errors(line: &[Counted]) -> String {
    let mut rows = vec![["", "task", "several", "one network"].map(str::to_owned).to_vec()];
    let mut views = Vec::new();
    for Counted { station, .. } in line {
        let (Some(single), several) = station.lowest_errors() else { continue };
        let of_several = |error: PublishedError| format!("{} % ({})", percent(&error), error.networks);
        rows.push(vec![
            station.name.into(),
            single.task.into(),
            several.map_or(String::new(), of_several),
            format!("{} %", percent(&single)),
        ]);
        views.push(Some(single.how));
    }
    ending_in_words(&table(&rows), views.into_iter())
}

/// The lines of `table` behind its head, each with its words at the end.
fn ending_in_words<'a>(table: &str, words: impl Iterator<Item = Option<&'a str>>) -> String {
    let words = std::iter::once(None).chain(words).map(|words| words.map(|words| format!("  {words}")));
    table.lines().zip(words).map(|(row, words)| format!("{row}{}\n", words.unwrap_or_default())).collect()
}

/// `words` behind `indent`, in lines of 100 columns at most.
fn wrapped(indent: &str, words: &str) -> String {
    let mut text = String::new();
    let mut row = indent.to_owned();
    for word in words.split(' ') {
        if row.chars().count() + word.chars().count() > 100 {
            text += &format!("{}\n", row.trim_end());
            row = indent.to_owned();
        }
        row += &format!("{word} ");
    }
    text + &format!("{}\n", row.trim_end())
}

/// The percents as they are published, with one digit at least.
fn percent(error: &PublishedError) -> String {
    let percent = error.percent;
    if percent.fract() == 0.0 { format!("{percent:.1}") } else { percent.to_string() }
}

fn as_json(line: &[Counted], claims: &[Claim]) -> Value {
    let error = |error: &PublishedError| {
        json!({
            "task": error.task,
            "error": error.percent / 100.0,
            "networks": error.networks,
            "how": error.how,
        })
    };
    let station = |counted: &Counted| {
        let Counted { station, counts } = counted;
        let of = |what: fn(&Counts) -> u64| counts.as_ref().map(what);
        json!({
            "year": station.year,
            "name": station.name,
            "authors": station.authors,
            "idea": station.idea,
            "link": station.link,
            "branch": station.branch.name(),
            "model": station.model,
            "stated": station.stated,
            "layers": of(|counts| counts.depth as u64),
            "params": of(|counts| counts.params),
            "macs": of(|counts| counts.macs),
            "connections": of(|counts| counts.connections),
            "neurons": of(|counts| counts.neurons),
            "errors": station.errors.iter().map(error).collect::<Vec<_>>(),
        })
    };
    let claim = |claim: &Claim| json!({ "claim": claim.claim, "verdict": claim.verdict.words(), "counted": claim.counted });
    json!({
        "line": line.iter().map(station).collect::<Vec<_>>(),
        "claims": claims.iter().map(claim).collect::<Vec<_>>(),
    })
}
