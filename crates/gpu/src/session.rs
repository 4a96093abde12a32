//! Sessions: programs that change variables, such as training steps for several batch sizes.

use striate_engine::{Data, PlanReport, Profile, Session};
use striate_graph::{Graph, Segment};
use striate_tensor::{DType, Error, Result, bf16};

use crate::Gpu;
use crate::capture::Recordings;
use crate::driver::Block;
use crate::finite;
use crate::plan::{Addresses, Place, Plan, Region, Variables};

/// A session on a GPU.
pub(crate) struct GpuSession {
    gpu: Gpu,
    places: Variables,
    programs: Vec<Loaded>,
    /// Memory, once there is a program.
    memory: Option<Memory>,
}

/// What programs share.
struct Memory {
    variables: Block,
    arena: Block,
}

/// A plan with its constants.
struct Loaded {
    /// Freed before the memory that they use.
    recordings: Recordings,
    plan: Plan,
    constants: Block,
    /// The outputs after the last run.
    outputs: Vec<Vec<f32>>,
}

impl GpuSession {
    pub fn new(gpu: Gpu) -> GpuSession {
        GpuSession { gpu, places: Variables::default(), memory: None, programs: Vec::new() }
    }

    fn memory(&self) -> &Memory {
        self.memory.as_ref().expect("the first program allocates memory")
    }

    fn addresses(&self, program: usize) -> Addresses {
        let Memory { variables, arena } = self.memory();
        Addresses {
            arena: arena.address(),
            variables: variables.address(),
            constants: self.programs[program].constants.address(),
        }
    }

    fn block(&self, program: usize, place: Place) -> &Block {
        match place {
            Place::Arena => &self.memory().arena,
            Place::Variables => &self.memory().variables,
            Place::Constants => &self.programs[program].constants,
        }
    }

    /// The place of the variable `name`.
    fn place(&self, name: &str) -> Region {
        self.places.get(name).expect("the variable exists")
    }

    /// Whether the numbers of a region are finite.
    fn is_finite_in(&self, program: usize, region: Region, dtype: DType) -> Result<bool> {
        let block = self.block(program, region.place);
        if dtype == DType::BF16 {
            let mut values = vec![bf16::ZERO; region.bytes / size_of::<bf16>()];
            block.read(region.offset, bytemuck::cast_slice_mut(&mut values))?;
            return Ok(values.iter().all(|value| value.is_finite()));
        }
        let mut values = vec![0.0f32; region.bytes / size_of::<f32>()];
        block.read(region.offset, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values.iter().all(|value| value.is_finite()))
    }

    /// Copies the outputs of `program`.
    fn fetch_outputs(&mut self, program: usize) -> Result<()> {
        let mut outputs = std::mem::take(&mut self.programs[program].outputs);
        let mut fetch = |(number, values): (usize, &mut Vec<f32>)| {
            let region = self.programs[program].plan.outputs[number];
            self.block(program, region.place).read(region.offset, bytemuck::cast_slice_mut(values))
        };
        let fetched = outputs.iter_mut().enumerate().try_for_each(&mut fetch);
        self.programs[program].outputs = outputs;
        fetched
    }

    /// Allocates memory for the first program, or a larger arena.
    fn allocate(&mut self, plan: &Plan) -> Result<()> {
        let driver = &self.gpu.driver;
        match &mut self.memory {
            None => {
                let variables = Block::zeroed(driver, self.places.bytes)?;
                self.memory = Some(Memory { variables, arena: Block::zeroed(driver, plan.arena_bytes)? });
            }
            Some(memory) if self.places.bytes > memory.variables.len() => {
                return Err(Error::failed("a program has variables that the first one of its session lacks"));
            }
            Some(memory) if plan.arena_bytes > memory.arena.len() => {
                // Both do not fit at once; the old one is restored if the new one does not fit alone.
                let before = memory.arena.len();
                memory.arena = Block::zeroed(driver, 0)?;
                match Block::zeroed(driver, plan.arena_bytes) {
                    Ok(arena) => memory.arena = arena,
                    Err(error) => {
                        memory.arena = Block::zeroed(driver, before)?;
                        return Err(error);
                    }
                }
            }
            Some(_) => {}
        }
        Ok(())
    }
}

impl Session for GpuSession {
    fn compile(&mut self, graph: Graph) -> Result<usize> {
        self.places.add_all(&graph);
        let held = self.memory.as_ref().map_or([0; 2], |memory| [memory.variables.len(), memory.arena.len()]);
        let variables = self.places.bytes.saturating_sub(held[0]);
        let more = |plan: &Plan| variables + plan.arena_bytes.saturating_sub(held[1]);
        let (plan, constants) = self.gpu.load(&graph, &self.places, more)?;
        self.allocate(&plan)?;
        let outputs = plan.outputs.iter().map(|region| vec![0.0; region.bytes / size_of::<f32>()]).collect();
        let recordings = Recordings::new(&self.gpu.driver);
        self.programs.push(Loaded { recordings, plan, constants, outputs });
        Ok(self.programs.len() - 1)
    }

    fn upload(&mut self, name: &str, values: Data) -> Result<()> {
        let Some(region) = self.places.get(name) else { return Ok(()) };
        assert_eq!(region.bytes, values.bytes().len(), "{name} has another size");
        self.memory().variables.write(region.offset, values.bytes())
    }

    fn download(&self, name: &str, values: &mut [f32]) -> Result<()> {
        let region = self.place(name);
        assert_eq!(region.bytes, size_of_val(values), "{name} has another size");
        self.memory().variables.read(region.offset, bytemuck::cast_slice_mut(values))
    }

    fn are_finite(&self, names: &[&str]) -> Result<bool> {
        let (variables, driver) = (&self.memory().variables, &*self.gpu.driver);
        for region in finite::joined(names.iter().map(|name| self.place(name)).collect()) {
            let address = variables.address() + region.offset as u64;
            // SAFETY: the region lies within the variables, which begin with room for what is found.
            unsafe { finite::find(driver, address, region.bytes / size_of::<f32>(), variables.address())? }
            let mut found = [0u8; finite::BYTES];
            variables.read(0, &mut found)?;
            if found.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn set_input(&mut self, program: usize, index: usize, values: Data) -> Result<()> {
        let region = self.programs[program].plan.inputs[index];
        assert_eq!(region.bytes, values.bytes().len(), "input {index} has another size");
        self.block(program, region.place).write(region.offset, values.bytes())
    }

    fn run(&mut self, program: usize, segment: Segment, profile: Option<Profile>) -> Result<()> {
        let memory = self.addresses(program);
        let Loaded { recordings, plan, .. } = &self.programs[program];
        match profile {
            None => recordings.run(plan, segment, memory)?,
            profile => plan.run(segment, &*self.gpu.driver, memory, profile)?,
        }
        match segment {
            Segment::Accumulate => self.fetch_outputs(program),
            Segment::Prepare | Segment::Update => Ok(()),
        }
    }

    fn output(&self, program: usize, index: usize) -> &[f32] {
        &self.programs[program].outputs[index]
    }

    fn first_non_finite(&mut self, program: usize) -> Result<Option<String>> {
        let (plan, memory) = (&self.programs[program].plan, self.addresses(program));
        let mut words = Vec::new();
        for step in plan.steps_of(Segment::Accumulate) {
            plan.launch(step, &*self.gpu.driver, memory, &mut words)?;
            for (region, dtype) in plan.written(step) {
                if !self.is_finite_in(program, *region, *dtype)? {
                    return Ok(Some(plan.step_name(step).to_owned()));
                }
            }
        }
        Ok(None)
    }

    fn report(&self, program: usize, seconds: Option<&[f64]>) -> PlanReport {
        let Loaded { recordings, plan, .. } = &self.programs[program];
        recordings.report(plan, seconds)
    }

    fn allocated_bytes(&self) -> usize {
        let shared = self.memory.as_ref().map_or(0, |memory| memory.variables.len() + memory.arena.len());
        shared + self.programs.iter().map(|program| program.constants.len()).sum::<usize>()
    }
}
