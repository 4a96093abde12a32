//! Resampling and spectrograms match torchaudio's, and decoding matches libsndfile's. The figures and files are from
//! `scripts/reference/sound_torchaudio.py`.

use std::f64::consts::PI;

use serde_json::Value;
use striate_sound::{LogMel, Sound, Spectrogram, decode, duration, resample};

fn cases(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("sounds.json")).unwrap();
    all[kind].as_array().unwrap().clone()
}

fn number(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

fn values(case: &Value) -> Vec<f32> {
    case["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// The sounds of the script.
fn formula(rate: usize, count: usize) -> Sound {
    let sample = |n: usize| {
        let time = n as f64 / rate as f64;
        let noise = ((n * 2_654_435_761 % 4_294_967_296) >> 16) as f64 / 65_536.0 - 0.5;
        let tones = 0.4 * (2.0 * PI * 440.0 * time).sin() + 0.2 * (2.0 * PI * 1234.5 * time).sin();
        (tones + 0.1 * noise) as f32
    };
    Sound { sample_rate: rate as u32, samples: (0..count).map(sample).collect() }
}

fn worst(found: impl IntoIterator<Item = f32>, expected: &[f32]) -> f32 {
    let found: Vec<f32> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn resampling_matches_torchaudio() {
    for case in cases("resampled") {
        let sound = formula(number(&case, "rate"), number(&case, "count"));
        let found = resample(&sound, number(&case, "to") as u32);
        let worst = worst(found.iter().copied(), &values(&case));
        println!("{} to {}: {worst:e}", case["rate"], case["to"]);
        assert!(worst < 1e-6, "{} to {}: {worst}", case["rate"], case["to"]);
    }
}

#[test]
fn spectrograms_match_torchaudio() {
    for case in cases("spectrograms") {
        let (rate, count) = (number(&case, "rate"), number(&case, "count"));
        let form = LogMel {
            mels: number(&case, "mels"),
            window: number(&case, "window"),
            hop: number(&case, "hop"),
        };
        let frames = form.frames(count);
        assert_eq!(frames, number(&case, "frames"));
        let mut found = vec![0.0; form.mels * frames];
        Spectrogram::new(&form, rate as u32).write(&formula(rate, count).samples, &mut found);
        let worst = worst(found.into_iter().step_by(3), &values(&case));
        println!("{form:?}: {worst:e}");
        assert!(worst < 1e-4, "{form:?}: {worst}");
    }
}

const FILES: [(&str, &[u8], f32); 6] = [
    ("pcm16.wav", include_bytes!("pcm16.wav"), 1e-7),
    ("pcm24.wav", include_bytes!("pcm24.wav"), 1e-7),
    ("float.wav", include_bytes!("float.wav"), 1e-7),
    ("tone.flac", include_bytes!("tone.flac"), 1e-7),
    ("tone.ogg", include_bytes!("tone.ogg"), 1e-5),
    ("tone.mp3", include_bytes!("tone.mp3"), 1e-4),
];

#[test]
fn decoding_matches_libsndfile() {
    for (case, (name, bytes, most)) in cases("decoded").iter().zip(FILES) {
        assert_eq!(case["name"], name);
        let sound = decode(bytes).unwrap();
        assert_eq!(
            (sound.sample_rate as usize, sound.samples.len()),
            (8_000, number(case, "count")),
            "{name}"
        );
        assert!((duration(bytes).unwrap() - sound.seconds()).abs() < 1e-3, "{name}");
        let worst = worst(sound.samples.iter().copied().step_by(5), &values(case));
        println!("{name}: {worst:e}");
        assert!(worst < most, "{name}: {worst}");
    }
}

/// Every file that is cut anywhere is refused in one line or gives a shorter sound; those that state their length are
/// refused.
#[test]
fn truncated_files_are_refused() {
    for (name, bytes, _) in FILES {
        let whole = decode(bytes).unwrap();
        let states_length = !name.ends_with("mp3");
        for length in 0..bytes.len() {
            let Err(error) = decode(&bytes[..length]) else {
                let is_complete = !states_length || decode(&bytes[..length]).unwrap() == whole;
                assert!(is_complete, "{name} cut to {length} bytes");
                continue;
            };
            let line = error.to_string();
            assert!(error.is_input() && !line.contains('\n'), "{name} cut to {length} bytes: {line}");
        }
    }
}

#[test]
fn damaged_files_never_panic() {
    for (name, bytes, _) in FILES {
        let step = if name.ends_with("wav") { 1 } else { 3 };
        for place in (0..bytes.len().min(1200)).step_by(step) {
            for bit in [0, 7] {
                let mut damaged = bytes.to_vec();
                damaged[place] ^= 1 << bit;
                if let Ok(sound) = decode(&damaged) {
                    assert!(sound.samples.iter().all(|sample| sample.is_finite()));
                    assert!(sound.samples.len() < 1 << 20, "{name} with bit {bit} of byte {place} flipped");
                }
                let _ = duration(&damaged);
            }
        }
    }
}

#[test]
fn other_files_are_refused() {
    for (bytes, what) in [
        (&b""[..], "the file is empty"),
        (b"\x89PNG\r\n\x1a\n", "not a sound in WAV, Ogg, FLAC or MP3 format"),
        (b"fLaC", "damaged sound"),
        (b"OggS", "damaged sound"),
    ] {
        let error = decode(bytes).unwrap_err();
        assert!(error.is_input() && error.to_string().contains(what), "{error}");
    }
}
