//! Signals: those that ask the program to stop, the one for files that grow too large, and the one for pipes
//! that nobody reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use striate_tensor::{Error, Result};

/// Listens to signals that ask to stop.
pub struct Signals(Arc<AtomicBool>);

impl Signals {
    /// From now on Ctrl-C and SIGTERM only ask to stop; a second one ends the program at once.
    pub fn heed() -> Result<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let stop = Arc::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop)).map_err(deaf)?;
            signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(deaf)?;
        }
        Ok(Signals(stop))
    }

    /// Whether one asked to stop.
    pub fn ask_to_stop(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A limit on file sizes becomes an error of the write instead of a silent death.
pub fn heed_file_sizes() -> Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()).map_err(deaf)?;
    Ok(())
}

/// A pipe whose reader has gone, as in `striate models | head`, ends the program without a word.
pub fn end_with_closed_pipes() -> Result<()> {
    #[cfg(unix)]
    {
        let always = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_default(signal_hook::consts::SIGPIPE, always)
            .map_err(deaf)?;
    }
    Ok(())
}

fn deaf(cause: std::io::Error) -> Error {
    Error::failed(format!("cannot listen to signals: {cause}"))
}
