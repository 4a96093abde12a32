//! The data sets of an experiment, and files that scripts of the repository download.

use std::path::Path;

use serde::Deserialize;
use striate_data::data_folder;
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};

use crate::text::DataText;
use crate::variant::check_name;

/// One of the data sets of an experiment.
#[derive(Debug, Clone, Default)]
pub struct DataSet {
    /// Its name; `None` if the experiment has a single one, which its recipe names.
    pub name: Option<String>,
    /// Its files, if the recipe does not name it.
    pub(crate) files: Option<Downloaded>,
    pub(crate) set: Vec<String>,
}

/// A file or folder in the data folder, and the command that downloads it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Downloaded {
    /// The path in the data folder, with the form of a data set before it (`list:`) if it has one. `$fold` stands for
    /// the number of the fold.
    pub path: String,
    /// The number of folds; seeds take them in turn.
    #[serde(default = "one")]
    folds: u64,
    /// The command.
    get: String,
}

fn one() -> u64 {
    1
}

impl DataSet {
    pub(crate) fn parse(text: &DataText) -> Result<DataSet> {
        check_name("data set", &text.name)?;
        if text.files.as_ref().is_some_and(|files| files.folds == 0) {
            return Err(Error::input(format!("data set {}: folds must be 1 or more", text.name)));
        }
        Ok(DataSet { name: Some(text.name.clone()), files: text.files.clone(), set: text.set.clone() })
    }
}

impl Downloaded {
    /// Returns the path for `seed` with the form of a data set before it.
    ///
    /// # Errors
    /// If it does not exist; the message names the command that downloads it.
    pub fn find(&self, seed: u64) -> Result<String> {
        let path = self.path.replace("$fold", &(seed % self.folds).to_string());
        let (form, path) = path.split_once(':').map_or(("", &path[..]), |(form, path)| (form, path));
        let place = data_folder()?.join(path);
        if !Path::new(&place).exists() {
            let what = format!("not found; download it with {}", self.get);
            return Err(Error::input(what).at(printable_path(&place)));
        }
        let Some(place) = place.to_str() else {
            return Err(Error::input("the path is not UTF-8; set STRIATE_DATA to a folder whose path is")
                .at(printable_path(&place)));
        };
        Ok(if form.is_empty() { place.to_owned() } else { format!("{form}:{place}") })
    }
}
