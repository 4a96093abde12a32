//! `striate data prepare`

use anyhow::Result;
use serde_json::json;
use striate_data::{ImageFile, PrepareOptions, Shards, Spec, Unreadable};
use striate_tensor::Error;
use striate_tensor::text::{counted, printable, printable_path};

use crate::arguments::DataPrepare;
use crate::json;
use crate::outputs::refuse_in_data;
use crate::progress::reading_bar;
use crate::signals::catch_file_size_limit;

pub fn run(args: DataPrepare) -> Result<()> {
    let spec = Spec::parse(&args.spec)?;
    if !spec.has_image_files() {
        let what = format!("{}: is not a set of image files; give a folder or list:FILE", args.spec);
        return Err(Error::input(what).into());
    }
    refuse_in_data("OUT", &args.out, &spec)?;
    catch_file_size_limit()?;
    let defaults = PrepareOptions::default();
    let options = PrepareOptions {
        size: args.size.map(|size| size as usize),
        unreadable: if args.skip_unreadable { Unreadable::Skip } else { Unreadable::Refuse },
        max_pixels: args.max_pixels.unwrap_or(defaults.max_pixels),
        watch: reading_bar(),
    };
    let shards = striate_data::prepare(&spec, &args.out, &options)?;
    match args.json {
        true => json::print(&shards_json(&args, &shards))?,
        false => print(&args, &shards),
    }
    Ok(())
}

fn shards_json(args: &DataPrepare, shards: &Shards) -> serde_json::Value {
    let part =
        |(name, images, count): &(&str, usize, usize)| json!({ "name": name, "n": images, "shards": count });
    let unreadable =
        |(file, reason): &(ImageFile, String)| json!({ "file": file.to_string(), "reason": reason });
    json!({
        "out": json::path(&args.out),
        "classes": shards.classes,
        "parts": shards.parts.iter().map(part).collect::<Vec<_>>(),
        "resized": shards.resized,
        "bytes": shards.bytes,
        "unreadable": shards.unreadable.iter().map(unreadable).collect::<Vec<_>>(),
        "notes": shards.notes,
    })
}

fn print(args: &DataPrepare, shards: &Shards) {
    for note in &shards.notes {
        eprintln!("{}: {}", printable(&args.spec), printable(note));
    }
    for (file, reason) in &shards.unreadable {
        eprintln!("unreadable, skipped: {}: {}", printable(&file.to_string()), printable(reason));
    }
    let images: usize = shards.parts.iter().map(|(_, images, _)| images).sum();
    for (name, images, count) in &shards.parts {
        println!("{name}: {} in {}", counted(*images, "image"), counted(*count, "shard"));
    }
    let mib = shards.bytes as f64 / f64::from(1 << 20);
    let resized = match (args.size, shards.resized) {
        (None, _) => "all copied unchanged".to_owned(),
        (Some(size), resized) => {
            format!("{resized} resized to a shorter side of {size}, {} copied unchanged", images - resized)
        }
    };
    println!(
        "{}: {}, {}, {mib:.1} MiB; {resized}",
        printable_path(&args.out),
        counted(shards.classes.len(), "class"),
        counted(images, "image")
    );
    println!("next: striate train --data {}", printable_path(&args.out));
}
