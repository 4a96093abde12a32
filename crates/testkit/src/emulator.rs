//! A driver for GPU kernels on a machine without a GPU: the kernels' source, compiled for the CPU.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::ThreadId;

use libloading::Library;
use striate_gpu::{COMMON, Convolution, Driver, Engine, Epilogue, FILES, Function, Recording};
use striate_tensor::{Error, Result};

/// A kernel: arguments, number of the block, number of blocks.
type Kernel = unsafe extern "C" fn(*const u64, i64, i64);

/// Runs the blocks of a kernel in order, or half of them on a second thread.
pub struct Emulator {
    library: Library,
    kernels: Mutex<(HashMap<String, Function>, Vec<Kernel>)>,
    /// Whether it has a library of convolutions, which the own kernels stand in for.
    has_library: bool,
    /// The memory that it claims to have free.
    memory: Option<usize>,
    /// The convolutions that were planned with it.
    engines: Mutex<Vec<Convolution>>,
    recorder: Mutex<Recorder>,
}

/// What threads record, and what they have recorded.
#[derive(Default)]
struct Recorder {
    threads: HashMap<ThreadId, Vec<Launched>>,
    recordings: Vec<Vec<Launched>>,
}

/// Something launched.
#[derive(Clone)]
enum Launched {
    Kernel(Function, usize, Vec<u64>),
    Convolution(Engine, [u64; 5], u64),
}

/// Bytes that the library of convolutions demands.
const WORKSPACE: usize = 1000;

/// Fewer blocks than this run on one thread.
const FEW_BLOCKS: usize = 16;

/// The alignment that a driver guarantees.
const ALIGNMENT: usize = 256;

impl Emulator {
    /// The emulator, and one that has a library of convolutions besides and runs the threads of a phase backward; both
    /// are compiled once. `None` without a C++ compiler.
    ///
    /// # Panics
    /// If the kernels cannot be compiled.
    pub fn get() -> Option<[Arc<Emulator>; 2]> {
        static EMULATORS: OnceLock<Option<[Arc<Emulator>; 2]>> = OnceLock::new();
        let both = || {
            let (forward, backward) = std::thread::scope(|scope| {
                let backward = scope.spawn(|| Emulator::compile(&["-DDESCENDING"]));
                (Emulator::compile(&[]), backward.join().expect("the kernels compile"))
            });
            let backward = Emulator { has_library: true, ..backward? };
            Some([Arc::new(forward?), Arc::new(backward)])
        };
        EMULATORS.get_or_init(both).clone()
    }

    fn compile(more: &[&str]) -> Option<Emulator> {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
        Command::new(&compiler).arg("--version").output().ok().filter(|output| output.status.success())?;
        let folder = tempfile::tempdir().expect("a folder for compiled kernels");
        let [source, library]: [PathBuf; 2] =
            ["kernels.cpp", "kernels.so"].map(|name| folder.path().join(name));
        let text =
            [&[COMMON], &FILES.iter().map(|(_, text)| *text).collect::<Vec<_>>()[..]].concat().concat();
        std::fs::write(&source, text).expect("the source of the kernels");
        let flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-DEMULATED"];
        let output =
            Command::new(&compiler).args(flags).args(more).arg("-o").args([&library, &source]).output();
        let output = output.expect("the compiler runs");
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && messages.is_empty(), "{messages}");
        // SAFETY: the library only defines functions.
        let library = unsafe { Library::new(&library) }.expect("the compiled kernels");
        Some(Emulator {
            library,
            kernels: Mutex::default(),
            has_library: false,
            memory: None,
            engines: Mutex::default(),
            recorder: Mutex::default(),
        })
    }
}

impl Emulator {
    /// An emulator that claims to have `bytes` of memory; `None` without a C++ compiler.
    pub fn with_memory(bytes: usize) -> Option<Arc<Emulator>> {
        Some(Arc::new(Emulator { memory: Some(bytes), ..Emulator::compile(&[])? }))
    }
}

impl Emulator {
    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().expect("no test panics with the lock")
    }

    /// Records a command if this thread records.
    fn records(&self, command: impl FnOnce() -> Launched) -> bool {
        let mut recorder = self.recorder();
        let commands = recorder.threads.get_mut(&std::thread::current().id());
        commands.map(|commands| commands.push(command())).is_some()
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALIGNMENT).expect("sizes of tests are small")
}

impl Driver for Emulator {
    fn name(&self) -> String {
        "gpu emulated".into()
    }

    fn arithmetic(&self) -> String {
        "gpu emulated".into()
    }

    fn allocate(&self, bytes: usize) -> Result<u64> {
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout(bytes.max(1))) };
        assert!(!start.is_null(), "tests fit in memory");
        Ok(start as u64)
    }

    fn free_memory(&self) -> Result<Option<usize>> {
        Ok(self.memory)
    }

    unsafe fn free(&self, address: u64, bytes: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe { dealloc(address as *mut u8, layout(bytes.max(1))) }
    }

    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        // SAFETY: guaranteed by the caller.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
        Ok(())
    }

    unsafe fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: guaranteed by the caller.
        unsafe { std::ptr::copy_nonoverlapping(address as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn function(&self, name: &str) -> Result<Function> {
        let mut kernels = self.kernels.lock().expect("no test panics with the lock");
        let (functions, pointers) = &mut *kernels;
        if let Some(function) = functions.get(name) {
            return Ok(*function);
        }
        // SAFETY: all kernels have this type.
        let pointer = unsafe { self.library.get::<Kernel>(name.as_bytes()) };
        let pointer = pointer.map_err(|e| Error::failed(format!("kernel {name}: {e}")))?;
        pointers.push(*pointer);
        let function = Function(pointers.len() - 1);
        functions.insert(name.to_owned(), function);
        Ok(function)
    }

    unsafe fn launch(&self, function: Function, blocks: usize, words: &[u64]) -> Result<()> {
        if self.records(|| Launched::Kernel(function, blocks, words.to_vec())) {
            return Ok(());
        }
        let kernel = self.kernels.lock().expect("no test panics with the lock").1[function.0];
        let run = |range: std::ops::Range<usize>| {
            for block in range {
                // SAFETY: guaranteed by the caller; blocks write to different places, and each runs once.
                unsafe { kernel(words.as_ptr(), block as i64, blocks as i64) }
            }
        };
        if blocks < FEW_BLOCKS {
            run(0..blocks);
        } else {
            std::thread::scope(|scope| {
                scope.spawn(|| run(0..blocks / 2));
                run(blocks / 2..blocks);
            });
        }
        Ok(())
    }

    fn convolution(&self, convolution: &Convolution) -> Result<Option<Engine>> {
        // The library lacks engines for some epilogues.
        let lacks = convolution.epilogue != Epilogue::default() && convolution.channels[1] % 2 == 1;
        if !self.has_library || lacks {
            return Ok(None);
        }
        let mut engines = self.engines.lock().expect("no test panics with the lock");
        engines.push(*convolution);
        Ok(Some(Engine { number: engines.len() - 1, workspace_bytes: WORKSPACE }))
    }

    fn engine_name(&self, _: Engine) -> String {
        "library".into()
    }

    unsafe fn convolve(&self, engine: Engine, operands: [u64; 5], workspace: u64) -> Result<()> {
        if self.records(|| Launched::Convolution(engine, operands, workspace)) {
            return Ok(());
        }
        let convolution = self.engines.lock().expect("no test panics with the lock")[engine.number];
        // What a library leaves in its workspace must not matter.
        // SAFETY: guaranteed by the caller.
        unsafe { std::ptr::write_bytes(workspace as *mut u8, 0xff, WORKSPACE) };
        let (kernel, blocks, words) = convolution.own_kernel(operands);
        // SAFETY: guaranteed by the caller.
        unsafe { self.launch(self.function(kernel)?, blocks, &words) }
    }

    fn begin_recording(&self) -> Result<()> {
        self.recorder().threads.insert(std::thread::current().id(), Vec::new());
        Ok(())
    }

    fn end_recording(&self) -> Result<Recording> {
        let mut recorder = self.recorder();
        let commands = recorder.threads.remove(&std::thread::current().id());
        recorder.recordings.push(commands.expect("the thread records"));
        Ok(Recording(recorder.recordings.len() - 1))
    }

    unsafe fn replay(&self, recording: Recording) -> Result<()> {
        let commands = self.recorder().recordings[recording.0].clone();
        assert!(!commands.is_empty(), "the recording was forgotten");
        for command in commands {
            // SAFETY: guaranteed by the caller.
            unsafe {
                match command {
                    Launched::Kernel(function, blocks, words) => self.launch(function, blocks, &words)?,
                    Launched::Convolution(engine, operands, workspace) => {
                        self.convolve(engine, operands, workspace)?;
                    }
                }
            }
        }
        Ok(())
    }

    unsafe fn forget(&self, recording: Recording) {
        self.recorder().recordings[recording.0].clear();
    }

    fn wait(&self) -> Result<()> {
        Ok(())
    }
}
