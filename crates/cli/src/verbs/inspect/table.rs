//! A network as a table: layer by layer, or module by module if there are many layers.

use striate_graph::LayerStatistics;
use striate_models::Model;
use striate_tensor::text::{counted, printable};

use super::Report;
use crate::output::{grouped, sides, table};

/// Larger networks are shown by module unless --layers is given.
const MANY_LAYERS: usize = 64;

/// One row: a layer, or all layers of a module.
struct Row {
    name: String,
    what: String,
    layers: usize,
    /// Output of its last layer, largest receptive field, and sums of the other figures.
    sum: LayerStatistics,
}

/// Prints `report`, with paper and preprocessing from `model` for a built-in network.
pub(super) fn print(report: &Report, model: Option<Model>, every_layer: bool) {
    let (network, figures) = (&report.network, &report.figures);
    println!("{}, input {}", printable(&network.name), sides(&network.input));
    if let Some(model) = model {
        println!("{}: {}, {}", model.year, model.paper, model.link);
        println!("preprocessing: {}", model.preprocessing);
    }
    let is_short = every_layer || figures.layers.len() <= MANY_LAYERS;
    let rows: Vec<Row> = match is_short {
        true => figures.layers.iter().map(Row::of).collect(),
        false => by_modules(&figures.layers),
    };
    print!("{}", table(&rows_of_text(report, &rows)));
    if !is_short {
        println!("{}, grouped by module; --layers lists each", counted(figures.layers.len(), "layer"));
    }
    totals(report);
}

fn rows_of_text(report: &Report, rows: &[Row]) -> Vec<Vec<String>> {
    let figures = &report.figures;
    let share = |part: u64, all: u64| match part {
        0 => String::new(),
        _ => format!("{:.1} %", part as f64 * 100.0 / all as f64),
    };
    let count = |number: u64| if number == 0 { String::new() } else { grouped(number) };
    let head = ["layer", "op", "output", "params", "", "MACs", "", "connections", "neurons", "field"];
    let mut text = vec![head.map(str::to_owned).to_vec()];
    text.extend(rows.iter().map(|Row { name, what, sum, .. }| {
        vec![
            name.clone(),
            what.clone(),
            sides(sum.output.get(1..).unwrap_or_default()),
            count(sum.params),
            share(sum.params, figures.params),
            count(sum.cost.macs),
            share(sum.cost.macs, figures.cost.macs),
            count(sum.cost.connections),
            count(sum.cost.neurons),
            field(sum.receptive_field),
        ]
    }));
    text
}

/// Formats a receptive field: one number if its sides are equal; the depth only for volumes.
fn field([d, h, w]: [u64; 3]) -> String {
    match (d, h == w) {
        (1, true) => h.to_string(),
        (1, false) => format!("{h}×{w}"),
        (d, true) if d == h => h.to_string(),
        (d, _) => format!("{d}×{h}×{w}"),
    }
}

fn totals(report: &Report) {
    let (figures, line) = (&report.figures, |name: &str, number: u64, what: &str| {
        println!("{}", format!("{name:<12} {:>15}   {what}", grouped(number)).trim_end());
    });
    line("params", figures.params, "");
    if report.params_aux > 0 {
        line(
            "params_aux",
            report.params_aux,
            "of auxiliary heads, used only in training; not included elsewhere",
        );
    }
    let padded = "multiply-adds of convolutions and linear layers, including padded taps";
    line("MACs", figures.cost.macs, padded);
    let lecun = "as counted by LeCun: inputs of each unit including its bias, pooling included";
    line("connections", figures.cost.connections, lecun);
    line("neurons", figures.cost.neurons, "outputs of convolutions and linear layers");
    let megabytes = |bytes: usize| format!("{:.2} MB", bytes as f64 / 1e6);
    println!(
        "memory at batch size {}: inference {}, training {} (peak, including weights and momenta)",
        report.batch,
        megabytes(report.inference_bytes),
        match &report.training_bytes {
            Ok(bytes) => megabytes(*bytes),
            Err(error) => format!("not possible: {error}"),
        }
    );
}

impl Row {
    fn of(layer: &LayerStatistics) -> Row {
        Row { name: layer.name.clone(), what: layer.op.into(), layers: 1, sum: layer.clone() }
    }

    fn add(&mut self, layer: &LayerStatistics, module: &str) {
        self.name = module.to_owned();
        self.layers += 1;
        self.what = counted(self.layers, "layer");
        self.sum.params += layer.params;
        self.sum.cost.macs += layer.cost.macs;
        self.sum.cost.connections += layer.cost.connections;
        self.sum.cost.neurons += layer.cost.neurons;
        self.sum.output = layer.output.clone();
        for (seen, other) in self.sum.receptive_field.iter_mut().zip(layer.receptive_field) {
            *seen = (*seen).max(other);
        }
    }
}

/// Groups consecutive layers of the same module into one row.
fn by_modules(layers: &[LayerStatistics]) -> Vec<Row> {
    let mut rows: Vec<(&str, Row)> = Vec::new();
    for layer in layers {
        let module = module(&layer.name);
        match rows.last_mut() {
            Some((before, row)) if *before == module => row.add(layer, module),
            _ => rows.push((module, Row::of(layer))),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Returns the module of a layer: the first part of its name, and the second if that is a number. Examples:
/// `layer1.0` for `layer1.0.conv1`, `Mixed_5b` for `Mixed_5b.branch_pool.bn`, `inception_3a` for `inception_3a/1x1`.
fn module(name: &str) -> &str {
    let ends = |from: usize| name[from..].find(['.', '/']).map_or(name.len(), |position| from + position);
    let first = ends(0);
    if first == name.len() {
        return name;
    }
    let second = ends(first + 1);
    let is_number = name[first + 1..second].bytes().all(|byte| byte.is_ascii_digit());
    if is_number { &name[..second] } else { &name[..first] }
}

#[cfg(test)]
mod tests {
    use super::module;

    #[test]
    fn module_is_the_first_part_of_a_name() {
        for (name, expected) in [
            ("layer1.0.conv1", "layer1.0"),
            ("layer1.0", "layer1.0"),
            ("Mixed_5b.branch_pool.bn", "Mixed_5b"),
            ("inception_3a/1x1", "inception_3a"),
            ("features.12.squeeze", "features.12"),
            ("relu1", "relu1"),
            ("ends.", "ends."),
        ] {
            assert_eq!(module(name), expected);
        }
    }
}
