//! Turns a graph into launches with a place in memory for every value.

use std::collections::HashMap;

use striate_engine::memory::{Need, place};
use striate_engine::passes::trains;
use striate_engine::{PlanReport, Precision, Profile, StepReport};
use striate_graph::{Graph, Kind, Node, Op, Segment, ValueId};
use striate_tensor::{ALIGNMENT, DType, Error, Result};

use crate::convolution::{Engine, Epilogue};
use crate::driver::{Driver, Function};
use crate::finite;
use crate::launch::{Launch, Operand, Word, Work};
use crate::lower::{Lowering, lower};
use crate::order::{Order, Orders, has_one_order};

/// The floats that `count` floats take in memory, in which values start on a line.
pub(crate) fn padded_floats(count: usize) -> usize {
    count.next_multiple_of(ALIGNMENT / size_of::<f32>())
}

/// The memory that a region lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// What runs share: values of a run, scratch memory.
    Arena,
    /// Variables.
    Variables,
    /// What a program computes once, and tables.
    Constants,
}

/// A range of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub place: Place,
    pub offset: usize,
    pub bytes: usize,
}

impl Region {
    /// Whether both contain the same byte.
    fn overlaps(self, other: Region) -> bool {
        let is_before = |a: Region, b: Region| a.offset + a.bytes <= b.offset;
        let is_empty = self.bytes == 0 || other.bytes == 0;
        self.place == other.place && !is_empty && !is_before(self, other) && !is_before(other, self)
    }

    /// Where the next variable may begin.
    pub fn end(self) -> usize {
        (self.offset + self.bytes).next_multiple_of(ALIGNMENT)
    }
}

/// The places of variables by name, and the memory that they take.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    places: HashMap<String, Region>,
    pub bytes: usize,
}

impl Variables {
    /// The place of the variable `name`.
    pub fn get(&self, name: &str) -> Option<Region> {
        self.places.get(name).copied()
    }

    /// Adds a variable.
    pub fn add(&mut self, name: &str, bytes: usize) {
        let region = Region { place: Place::Variables, offset: self.bytes, bytes };
        self.places.insert(name.to_owned(), region);
        self.bytes += bytes.next_multiple_of(ALIGNMENT);
    }

    /// Adds those variables of `graph` that have no place yet. Gradients are contiguous, because their norm is computed
    /// from one slice.
    pub fn add_all(&mut self, graph: &Graph) {
        // What the search for numbers that are not finite finds comes first.
        self.bytes = self.bytes.max(finite::BYTES);
        let gradients = graph.gradients.iter().map(|(_, gradient)| graph.value(*gradient));
        for value in gradients.chain(graph.values.iter().filter(|value| value.role().is_some())) {
            if self.get(&value.name).is_none() {
                self.add(&value.name, value.bytes());
            }
        }
    }
}

/// An argument of a kernel whose memory has a place.
#[derive(Debug, Clone, Copy)]
enum Argument {
    Word(u64),
    Address(Place, usize),
}

/// A launch whose operands have places.
struct Placed {
    function: Function,
    blocks: usize,
    arguments: Vec<Argument>,
}

/// A convolution of the driver's library, whose operands and workspace have places.
struct PlacedConvolution {
    engine: Engine,
    /// x, w, y, the bias and the residual.
    operands: [Option<(Place, usize)>; 5],
    workspace: (Place, usize),
}

/// A node.
struct Step {
    report: StepReport,
    segment: Segment,
    /// What the driver's library does before the launches.
    convolution: Option<PlacedConvolution>,
    launches: Vec<Placed>,
    /// The floats that it writes.
    written: Vec<(Region, DType)>,
}

/// A compiled graph.
pub(crate) struct Plan {
    name: String,
    trains: bool,
    device: String,
    /// Those of the preparation first.
    steps: Vec<Step>,
    pub inputs: Vec<Region>,
    pub outputs: Vec<Region>,
    pub arena_bytes: usize,
    pub constant_bytes: usize,
    variable_bytes: usize,
    /// Tables and where they lie among the constants.
    pub tables: Vec<(usize, Vec<i64>)>,
}

/// Memory of a run, as addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub arena: u64,
    pub variables: u64,
    pub constants: u64,
}

impl Addresses {
    fn of(self, place: Place) -> u64 {
        match place {
            Place::Arena => self.arena,
            Place::Variables => self.variables,
            Place::Constants => self.constants,
        }
    }
}

impl Plan {
    /// Compiles `graph`, whose variables have the places `variables`. Without `share`, values do not share memory.
    ///
    /// # Errors
    /// If the device cannot run an operation.
    pub fn new(
        graph: &Graph,
        orders: &Orders,
        driver: &dyn Driver,
        precision: Precision,
        variables: &Variables,
        share: bool,
    ) -> Result<Plan> {
        let mut places = Places::new(graph, orders, driver, precision, variables)?;
        places.place_work(share);
        let steps = places.works.iter().enumerate().map(|(number, work)| places.step(number, work, driver));
        Ok(Plan {
            name: graph.name.clone(),
            trains: trains(graph),
            device: driver.name(),
            steps: steps.collect::<Result<_>>()?,
            inputs: graph.inputs.iter().map(|id| places.region(*id)).collect(),
            outputs: graph.outputs.iter().map(|id| places.region(*id)).collect(),
            arena_bytes: places.arena_bytes,
            constant_bytes: places.constant_bytes,
            variable_bytes: variables.bytes,
            tables: places.tables,
        })
    }

    /// The numbers of the steps of a segment, in order.
    pub fn steps_of(&self, segment: Segment) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.steps.len()).filter(move |step| self.steps[*step].segment == segment)
    }

    /// The name of a step.
    pub fn step_name(&self, step: usize) -> &str {
        &self.steps[step].report.name
    }

    /// The floats that a step writes, with their types.
    pub fn written(&self, step: usize) -> &[(Region, DType)] {
        &self.steps[step].written
    }

    /// Launches the steps of a segment in order; with a profile, waits for each of them.
    ///
    /// # Errors
    /// If the device fails.
    pub fn run(
        &self,
        segment: Segment,
        driver: &dyn Driver,
        memory: Addresses,
        mut profile: Option<Profile>,
    ) -> Result<()> {
        let mut words = Vec::new();
        for step in self.steps_of(segment) {
            let start = profile.as_ref().map(|(clock, _)| clock.seconds());
            self.launch(step, driver, memory, &mut words)?;
            if let (Some((clock, seconds)), Some(start)) = (&mut profile, start) {
                driver.wait()?;
                seconds[self.repeated(step)] += clock.seconds() - start;
            }
        }
        Ok(())
    }

    /// Launches a step; `words` is memory for arguments.
    pub fn launch(
        &self,
        step: usize,
        driver: &dyn Driver,
        memory: Addresses,
        words: &mut Vec<u64>,
    ) -> Result<()> {
        if let Some(placed) = &self.steps[step].convolution {
            let at = |(place, offset): (Place, usize)| memory.of(place) + offset as u64;
            let operands = placed.operands.map(|operand| operand.map_or(0, at));
            // SAFETY: the operands are those of the graph's convolution, and their regions lie within memory that is as
            // large as the plan demands, as does the workspace.
            unsafe { driver.convolve(placed.engine, operands, at(placed.workspace))? }
        }
        for launch in &self.steps[step].launches {
            words.clear();
            words.extend(launch.arguments.iter().map(|argument| match argument {
                Argument::Word(word) => *word,
                Argument::Address(place, offset) => memory.of(*place) + *offset as u64,
            }));
            // SAFETY: lowering fills in the arguments that the kernel declares, from the shapes of operands whose
            // regions lie within memory that is as large as the plan demands.
            unsafe { driver.launch(launch.function, launch.blocks, words)? }
        }
        Ok(())
    }

    /// The position of `step` among those that run each time.
    fn repeated(&self, step: usize) -> usize {
        self.steps[..step].iter().filter(|step| !step.report.once).count()
    }

    /// The figures; `seconds` are the measured times of the steps that run each time.
    pub fn report(&self, seconds: Option<&[f64]>) -> PlanReport {
        let mut repeated = 0;
        let steps = self.steps.iter().map(|step| {
            let report = &step.report;
            let measured = (!report.once).then(|| seconds.and_then(|all| all.get(repeated).copied()));
            repeated += usize::from(!report.once);
            StepReport { seconds: measured.flatten(), ..report.clone() }
        });
        PlanReport {
            name: self.name.clone(),
            trains: self.trains,
            device: self.device.clone(),
            steps: steps.collect(),
            peak_bytes: self.arena_bytes + self.variable_bytes + self.constant_bytes,
            work_bytes: self.arena_bytes,
        }
    }
}

/// Kernels number elements in 32 bits, and step beyond the last one by up to this many.
const MOST_ELEMENTS: usize = i32::MAX as usize - (1 << 24);

/// Refuses values, and gradients as a whole, with more elements than kernels can number.
fn check_sizes(graph: &Graph) -> Result<()> {
    let most = MOST_ELEMENTS;
    if let Some(value) = graph.values.iter().find(|value| value.shape.numel() > most) {
        let (name, count) = (&value.name, value.shape.numel());
        let what = format!("{name} has {count} elements; a GPU supports at most {most}");
        return Err(Error::input(format!("{what}; use a smaller batch")));
    }
    let gradients = graph.gradients.iter().map(|(_, id)| padded_floats(graph.shape(*id).numel()));
    match gradients.sum::<usize>() {
        count if count > most => {
            Err(Error::input(format!("the network has {count} parameters; a GPU trains at most {most}")))
        }
        _ => Ok(()),
    }
}

/// Plans what the driver's library can do of `work`, and leaves what remains to be launched.
fn use_library(work: &mut Work, driver: &dyn Driver, precision: Precision) -> Result<Option<Planned>> {
    let Some(mut library) = work.library.take() else { return Ok(None) };
    if (library.convolution.precision, precision) == (Precision::F32, Precision::Tf32) {
        library.convolution.precision = precision;
    }
    let (mut engine, mut after) = (None, None);
    if library.fuses {
        engine = driver.convolution(&library.convolution)?;
    }
    if engine.is_none() && library.convolution.epilogue != Epilogue::default() {
        library.convolution.epilogue = Epilogue::default();
        library.operands[3..].fill(None);
        engine = driver.convolution(&library.convolution)?;
        after = library.after;
    }
    let Some(engine) = engine else { return Ok(None) };
    work.launches = after.into_iter().collect();
    work.scratch_bytes = engine.workspace_bytes;
    Ok(Some((engine, library.operands)))
}

/// An engine with the operands of its convolution: x, w, y, the bias and the residual.
type Planned = (Engine, [Option<Operand>; 5]);

/// The works of a graph's nodes, and the regions of its values.
struct Places<'g> {
    graph: &'g Graph,
    orders: &'g Orders,
    /// The indices of nodes that are not aliases, those of the preparation first, with their works.
    works: Vec<(usize, Work)>,
    /// The engine of each work that the driver's library does, with its operands.
    engines: Vec<Option<Planned>>,
    /// The value that each value lies in.
    roots: Vec<ValueId>,
    regions: HashMap<ValueId, Region>,
    /// The scratch memory of each work.
    scratch: Vec<Region>,
    /// The first table of each work.
    first_tables: Vec<usize>,
    tables: Vec<(usize, Vec<i64>)>,
    arena_bytes: usize,
    constant_bytes: usize,
}

impl<'g> Places<'g> {
    /// Lowers all nodes, and places variables, what is computed once, and tables.
    fn new(
        graph: &'g Graph,
        orders: &'g Orders,
        driver: &dyn Driver,
        precision: Precision,
        variables: &Variables,
    ) -> Result<Places<'g>> {
        check_sizes(graph)?;
        let mut roots: Vec<ValueId> = (0..graph.values.len()).map(ValueId).collect();
        let mut works: Vec<(usize, Work)> = Vec::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            match lower(graph, node, orders).map_err(|e| e.at(format!("layer {}", node.name)))? {
                Lowering::Alias => roots[node.outputs[0].0] = roots[node.inputs[0].0],
                Lowering::Work(work) => works.push((index, work)),
            }
        }
        works.sort_by_key(|(index, _)| (graph.nodes[*index].segment != Segment::Prepare, *index));
        let engines =
            works.iter_mut().map(|(_, work)| use_library(work, driver, precision)).collect::<Result<_>>()?;
        let mut places = Places {
            graph,
            orders,
            works,
            engines,
            roots,
            regions: HashMap::new(),
            scratch: Vec::new(),
            first_tables: Vec::new(),
            tables: Vec::new(),
            arena_bytes: 0,
            constant_bytes: 0,
        };
        for (index, value) in graph.values.iter().enumerate() {
            if let Kind::Variable { .. } = value.kind {
                let region = variables.get(&value.name).expect("all variables have places");
                places.regions.insert(ValueId(index), region);
            }
        }
        for index in 0..places.works.len() {
            places.place_constants(index);
        }
        Ok(places)
    }

    /// Places the tables of a work, and its results if it runs once.
    fn place_constants(&mut self, index: usize) {
        let (node, work) = &self.works[index];
        let node = &self.graph.nodes[*node];
        self.first_tables.push(self.tables.len());
        for table in &work.tables {
            self.tables.push((self.constant_bytes, table.clone()));
            self.constant_bytes += size_of_val(&table[..]).next_multiple_of(ALIGNMENT);
        }
        if node.segment == Segment::Prepare {
            for id in &node.outputs {
                let bytes = self.graph.value(*id).bytes();
                let region = Region { place: Place::Constants, offset: self.constant_bytes, bytes };
                if self.regions.insert(*id, region).is_none() {
                    self.constant_bytes += bytes.next_multiple_of(ALIGNMENT);
                }
            }
        }
    }

    /// Places inputs, computed values and scratch memory in the arena.
    fn place_work(&mut self, share: bool) {
        let last = self.works.len().saturating_sub(1);
        let mut needs: Vec<Need> = Vec::new();
        let mut placed: HashMap<ValueId, usize> = HashMap::new();
        let mut add = |needs: &mut Vec<Need>, id: ValueId, bytes: usize, first: usize| {
            placed.insert(id, needs.len());
            needs.push(Need { bytes, first, last: first });
        };
        for id in &self.graph.inputs {
            add(&mut needs, *id, self.graph.value(*id).bytes(), 0);
        }
        let mut scratch = Vec::new();
        for (number, (index, work)) in self.works.iter().enumerate() {
            let node = &self.graph.nodes[*index];
            for id in node.outputs.iter().filter(|id| !self.regions.contains_key(id)) {
                add(&mut needs, *id, self.graph.value(*id).bytes(), number);
            }
            scratch.push(needs.len());
            needs.push(Need { bytes: work.scratch_bytes, first: number, last: number });
        }
        for (number, (index, _)) in self.works.iter().enumerate() {
            for id in &self.graph.nodes[*index].inputs {
                if let Some(need) = placed.get(&self.roots[id.0]) {
                    needs[*need].last = needs[*need].last.max(number);
                }
            }
        }
        for id in &self.graph.outputs {
            if let Some(need) = placed.get(&self.roots[id.0]) {
                needs[*need].last = last;
            }
        }
        let (offsets, bytes) = place(&needs, share);
        let region =
            |need: usize| Region { place: Place::Arena, offset: offsets[need], bytes: needs[need].bytes };
        self.regions.extend(placed.into_iter().map(|(id, need)| (id, region(need))));
        self.scratch = scratch.into_iter().map(region).collect();
        self.arena_bytes = bytes;
    }

    fn region(&self, id: ValueId) -> Region {
        self.regions[&self.roots[id.0]]
    }

    /// Refuses a work that writes where it reads or writes another operand, except variables, which are updated in
    /// place.
    fn check_apart(&self, number: usize, node: &Node) -> Result<()> {
        let written: Vec<Region> = node.outputs.iter().map(|id| self.region(*id)).collect();
        let scratch = [self.scratch[number]];
        let read = node.inputs.iter().map(|id| self.region(*id));
        let others: Vec<Region> = written.iter().copied().chain(scratch).chain(read).collect();
        for (index, region) in written.iter().chain(&scratch).enumerate() {
            if others.iter().skip(index + 1).any(|other| region.overlaps(*other)) {
                return Err(Error::failed(format!(
                    "step {} writes where it reads or writes again",
                    node.name
                )));
            }
        }
        Ok(())
    }

    /// The step of work number `number`.
    fn step(&self, number: usize, (index, work): &(usize, Work), driver: &dyn Driver) -> Result<Step> {
        let (graph, node) = (self.graph, &self.graph.nodes[*index]);
        self.check_apart(number, node)?;
        let at = |operand: Operand| {
            let (region, offset) = match operand {
                Operand::Input(input) => (self.region(node.inputs[input]), 0),
                Operand::Output(output) => (self.region(node.outputs[output]), 0),
                Operand::Scratch(offset) => (self.scratch[number], offset),
                Operand::Table(table) => {
                    return (Place::Constants, self.tables[self.first_tables[number] + table].0);
                }
            };
            (region.place, region.offset + offset)
        };
        // Whether numbers are bf16, if they may be.
        let is_narrow = |operand: Operand| {
            let id = match operand {
                Operand::Input(input) => node.inputs[input],
                Operand::Output(output) => node.outputs[output],
                Operand::Scratch(_) | Operand::Table(_) => return None,
            };
            match graph.value(id).dtype {
                DType::F32 => Some(false),
                DType::BF16 => Some(true),
                _ => None,
            }
        };
        let convolution = self.engines[number].map(|(engine, operands)| PlacedConvolution {
            engine,
            operands: operands.map(|operand| operand.map(at)),
            workspace: at(Operand::Scratch(0)),
        });
        let place = |launch: &Launch| {
            let mut arguments = Vec::new();
            for word in &launch.words {
                match *word {
                    Word::Int(value) => arguments.push(Argument::Word(value as u64)),
                    Word::Float(value) => arguments.push(Argument::Word(value.to_bits())),
                    Word::Null => arguments.extend([Argument::Word(0); 2]),
                    Word::Address(operand) => {
                        let (place, offset) = at(operand);
                        arguments.push(Argument::Address(place, offset));
                        arguments.extend(is_narrow(operand).map(|narrow| Argument::Word(narrow.into())));
                    }
                }
            }
            Ok(Placed { function: driver.function(launch.kernel)?, blocks: launch.blocks, arguments })
        };
        let launches = work.launches.iter().map(place).collect::<Result<_>>()?;
        let operands = node.inputs.iter().chain(&node.outputs);
        let joined = matches!(node.op, Op::ClipNorm(_));
        let floats = node.outputs.iter().map(|id| (self.region(*id), graph.value(*id).dtype));
        let report = StepReport {
            name: node.name.clone(),
            op: node.op.name(),
            algorithm: match (&convolution, work.launches.last()) {
                (Some(convolution), _) => driver.engine_name(convolution.engine),
                (None, launch) => launch.map_or("none", |launch| launch.kernel).into(),
            },
            output: graph.shape(node.outputs[0]).to_string(),
            format: match self.orders.maps(graph, node.outputs[0]).order {
                Order::ChannelsLast if !has_one_order(graph.shape(node.outputs[0])) => {
                    format!("{} channels last", graph.value(node.outputs[0]).dtype)
                }
                _ => graph.value(node.outputs[0]).dtype.to_string(),
            },
            once: node.segment == Segment::Prepare,
            flops: 2 * node.macs(graph),
            bytes: operands.map(|id| graph.value(*id).bytes() as u64).sum::<u64>() << u32::from(joined),
            seconds: None,
        };
        let written = floats.filter(|(_, dtype)| matches!(dtype, DType::F32 | DType::BF16)).collect();
        Ok(Step { report, segment: node.segment, convolution, launches, written })
    }
}
