//! `striate devices`

use anyhow::Result;
use serde_json::{Value, json};
use striate_engine::{Cpu, Device};
use striate_gpu::cuda::{self, Library, Properties};
use striate_tensor::text::printable;

use crate::arguments::Devices;
use crate::json;

pub fn run(args: Devices) -> Result<()> {
    let cpu = Cpu::new(0)?;
    let gpus = cuda::gpus();
    let libraries = Library::ALL.map(|library| (library, library.open()));
    let compiler = cuda::compiler_version().ok();
    if args.json {
        let library = |(library, found): &(Library, Option<Option<std::path::PathBuf>>)| {
            let folder = found.as_ref().and_then(|folder| folder.as_ref().map(|folder| json::path(folder)));
            let advice = found.is_none().then(|| library.advice());
            json!({ "name": library.name(), "found": found.is_some(), "folder": folder, "advice": advice })
        };
        return Ok(json::print(&json!({
            "cpu": cpu.name(),
            "gpus": gpus.as_ref().map_or_else(|_| Vec::new(), |all| all.iter().map(as_json).collect()),
            "reason": gpus.as_ref().err().map(ToString::to_string),
            "libraries": libraries.iter().map(library).collect::<Vec<Value>>(),
            "compiler_version": compiler,
        }))?);
    }
    println!("{}", cpu.name());
    match &gpus {
        Ok(all) => all.iter().for_each(print),
        Err(error) => println!("no GPU: {}", printable(&error.to_string())),
    }
    for (library, found) in &libraries {
        let place = match found {
            None => format!("not found; {}", library.advice()),
            Some(None) => "found".into(),
            Some(Some(folder)) => format!("found in {}", printable(&folder.to_string_lossy())),
        };
        println!("  {:<14} {place}", library.name());
    }
    if let Some(named) = std::env::var_os(cuda::FOLDERS) {
        for folder in std::env::split_paths(&named).filter(|folder| !folder.is_dir()) {
            println!("  {}: {} is not a folder", cuda::FOLDERS, printable(&folder.to_string_lossy()));
        }
    }
    if let Some(version) = compiler {
        println!("  kernels are compiled by NVRTC {version}");
    }
    Ok(())
}

fn print(gpu: &Properties) {
    let Properties { number, name, capability: [major, minor], memory } = gpu;
    let gigabytes = *memory as f64 / 1e9;
    println!("cuda:{number} {}, compute capability {major}.{minor}, {gigabytes:.1} GB", printable(name));
}

fn as_json(gpu: &Properties) -> Value {
    let Properties { number, name, capability: [major, minor], memory } = gpu;
    json!({
        "device": format!("cuda:{number}"),
        "name": name,
        "compute_capability": format!("{major}.{minor}"),
        "memory_bytes": memory,
    })
}
