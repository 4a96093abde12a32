//! The section on claims that experiments measured.

use striate_experiments::{Curve, Definition, Record, Row, Unit};
use striate_insight::page::charts::{MOST_LINES, Series, dots, lines};
use striate_insight::page::{Column, Section, escaped, table};
use striate_tensor::text::counted;

use crate::verbs::experiments::result;

/// Shows all experiments with their results, and for each that has one, its figures and training curves.
pub(super) fn section(entries: &[(Definition, Option<Record>)]) -> Section {
    let columns = [Column::text("experiment"), Column::text("claim"), Column::text("result")];
    let rows = entries.iter().map(|(definition, record)| {
        let claim = format!("{} ({})", definition.claim, definition.source);
        vec![definition.title.clone(), claim, result(definition, record.as_ref())]
    });
    let overview = table("claims", "Experiments", &columns, rows);
    let measured = entries.iter().filter_map(|(definition, record)| Some((definition, record.as_ref()?)));
    let details: String = measured.map(|(definition, record)| details(definition, record)).collect();
    Section {
        id: "experiments",
        title: "Claims measured with Striate".into(),
        text: "What training variants of a network gave, at a scale that two cores carry; each is a command, striate \
               experiment NAME. Figures are means over seeds with standard deviations; dots are single seeds, upright \
               lines their means."
            .into(),
        content: overview + &details,
    }
}

fn details(definition: &Definition, record: &Record) -> String {
    let scale = if record.full { ", at the scale of the paper" } else { "" };
    let seeds = match definition.trains() {
        true => format!("{}, ", counted(record.seeds as usize, "seed")),
        false => String::new(),
    };
    format!(
        "<h3>{}</h3>\n<p>{seeds}{}{scale}.</p>\n<div class=\"charts\">\n{}{}</div>\n{}",
        escaped(&definition.title),
        escaped(&record.device),
        error_charts(record),
        curve_charts(record),
        figures(definition, record)
    )
}

/// The first figure of all variants, in a chart for each data set.
fn error_charts(record: &Record) -> String {
    let Some(name) = record.table.figures.first() else { return String::new() };
    let chart = |set: &Option<&str>| {
        let rows: Vec<&Row> = record.table.rows_on(*set).filter(|row| !row.cells.is_empty()).collect();
        let unit = rows.first()?.cells[0].unit;
        let (factor, axis) = match unit {
            Unit::Share => (100.0, format!("{name}, %")),
            Unit::Seconds => (1.0, format!("{name}, seconds")),
            Unit::Count | Unit::Number => (1.0, name.clone()),
        };
        let values = |row: &&Row| {
            let values = row.cells[0].values.iter().flatten().map(|value| value * factor);
            (row.variant.clone(), values.collect())
        };
        let rows: Vec<(String, Vec<f64>)> = rows.iter().map(values).collect();
        Some(figure(&dots(&titled(name, *set), &axis, &rows), &titled(name, *set)))
    };
    record.table.data().iter().filter_map(chart).collect()
}

/// The training losses of all variants, in a chart for each data set on which no more than can be told apart have one.
fn curve_charts(record: &Record) -> String {
    let chart = |set: &Option<&str>| {
        let curves = record.curves.iter().filter(|curve| curve.data.as_deref() == *set);
        let series = |curve: &Curve| (curve.variant.clone(), curve.points.clone());
        let series: Vec<Series> = curves.map(series).collect();
        let title = titled("training loss", *set);
        (1..=MOST_LINES).contains(&series.len()).then(|| figure(&lines(&title, "epoch", &series), &title))
    };
    record.table.data().iter().filter_map(chart).collect()
}

fn titled(what: &str, set: Option<&str>) -> String {
    set.map_or_else(|| what.to_owned(), |set| format!("{what} on {set}"))
}

fn figure(drawing: &str, caption: &str) -> String {
    format!("<figure class=\"chart\">{drawing}<figcaption>{}</figcaption></figure>\n", escaped(caption))
}

/// All figures of all variants.
fn figures(definition: &Definition, record: &Record) -> String {
    let has_sets = record.table.data() != [None];
    let first = has_sets.then(|| Column::text("data")).into_iter().chain([Column::text("variant")]);
    let columns: Vec<Column> =
        first.chain(record.table.figures.iter().map(|name| Column::number(name))).collect();
    let rows = record.table.rows.iter().map(|row| {
        let names = row.data.clone().into_iter().chain([row.variant.clone()]);
        names.chain(row.cells.iter().map(striate_experiments::Cell::text)).collect()
    });
    table("measured", &format!("Figures of {}", definition.title), &columns, rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use striate_engine::Cpu;
    use striate_experiments::{Experiment, Runner, Scale};
    use striate_insight::page::Page;
    use striate_testkit::html;

    use super::*;
    use crate::verbs::experiments::NOT_MEASURED;

    /// Two variants on the built-in digits, which take less than a second.
    const TINY: Experiment = Experiment {
        name: "tiny",
        text: r#"
            title = "Depth & width"
            claim = "none"
            source = "none"
            seeds = 2
            measures = [{ figure = "test_error" }, { figure = "parameters" }]
            recipe = { data = { holdout = 0.0 }, train = { epochs = 2, batch = 64 } }
            variants = [
                { name = "narrow", network = "network.toml", replace = { units = "8" } },
                { name = "wide", network = "network.toml", replace = { units = "32" } },
            ]
        "#,
        networks: &[(
            "network.toml",
            r#"
            name = "n"
            input = [1, 8, 8]
            layers = [
                { op = "flatten" },
                { op = "linear", out_features = $units },
                { op = "relu" },
                { op = "linear", out_features = 10 },
            ]"#,
        )],
    };

    #[test]
    fn results_of_a_run_are_shown_and_others_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let definition = TINY.definition().unwrap();
        let device = Arc::new(Cpu::new(1).unwrap());
        let folder = folder.path().join("runs");
        let runner = Runner { seeds: 2, definition, scale: Scale::Small, folder, device };
        assert!(runner.run(&mut (), |_| {}).unwrap());
        let record = Record::from_text(&runner.record().unwrap().to_text()).unwrap();
        assert_eq!(record, runner.record().unwrap());
        let entries = vec![
            (TINY.definition().unwrap(), Some(record.clone())),
            (TINY.definition().unwrap(), None),
            (TINY.definition().unwrap(), Some(Record { definition: "other".into(), ..record })),
        ];
        let page = Page { title: "t".into(), sections: vec![section(&entries)], ..Page::default() }.html();
        html::checked(&page);
        let content = section(&entries).content;
        assert_eq!(content.matches("<circle").count(), 2 * (4 + 2), "a dot for each seed, one for each line");
        assert!(content.contains("<h3>Depth &amp; width</h3>"), "{content}");
        assert_eq!(content.matches(NOT_MEASURED).count(), 1);
        assert_eq!(content.matches("measured with an earlier definition").count(), 1);
    }
}
