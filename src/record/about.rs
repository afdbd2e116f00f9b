//! What is known of a model beside its parameters, and the JSON that travels with its file.

use crate::config::{ImageShape, Metadata, NetworkConfig, Settings};
use crate::error::{Error, Result};
use crate::model::{Classifier, from_state};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// What is known of a model beside its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// Its classes, and how images are made for it.
    pub metadata: Metadata,
    /// Whether height and width of its images are known; otherwise those of its configuration are MNIST's, and assumed.
    pub image_size_known: bool,
}

impl Default for About {
    /// Of a model that was made here: nobody said more than its configuration does.
    fn default() -> Self {
        Self {
            metadata: Metadata::default(),
            image_size_known: true,
        }
    }
}

impl About {
    /// Refuses a model whose images may be of any size.
    pub fn check_image_size(&self) -> Result<()> {
        if self.image_size_known {
            return Ok(());
        }
        Err(Error::Data(
            "the image_size of this model is not known: its file holds no more than the weights, and neither <its name>.meta.json, \
             which is saved beside a model, nor the config.json of a run is there; bring that file back, or give height and width \
             with Model.load(path, image_size=(height, width)), or --image-size on the command line"
                .into(),
        ))
    }

    /// The JSON that travels with the file of a model of that configuration.
    pub fn to_json(&self, config: &NetworkConfig) -> String {
        Value::Object(self.write(config)).to_string()
    }

    /// The same, key by key.
    pub(crate) fn write(&self, config: &NetworkConfig) -> Map<String, Value> {
        let mut config = config.write(true);
        if !self.image_size_known {
            for key in IMAGE_SIZE {
                config.remove(key);
            }
        }
        let mut object = Map::new();
        object.insert(VERSION.into(), env!("CARGO_PKG_VERSION").into());
        object.insert("config".into(), config.into());
        if let Value::Object(metadata) = serde_json::json!(self.metadata) {
            object.extend(metadata);
        }
        object
    }
}

/// The version that wrote it.
const VERSION: &str = "mnistburn";
const IMAGE_SIZE: [&str; 2] = ["image_height", "image_width"];

/// A model with what is known of it.
pub struct Loaded {
    /// The model.
    pub classifier: Box<dyn Classifier>,
    /// What is known of it beside its parameters.
    pub about: About,
}

impl Loaded {
    /// The same for images of that height and width, where its files don't say others.
    pub fn with_image_size(self, size: (usize, usize), path: &Path) -> Result<Self> {
        let config = self.classifier.config();
        let image = config.image();
        let ImageShape { height, width, .. } = image;
        if (height, width) == size {
            let about = About {
                image_size_known: true,
                ..self.about
            };
            return Ok(Self { about, ..self });
        }
        if self.about.image_size_known {
            return Err(Error::Record(format!(
                "image_size must be that of the model, and {} is of a model of images of {height} x {width}, got {} x {}; leave \
                 image_size out, or make the images of that size",
                path.display(),
                size.0,
                size.1
            )));
        }
        let (height, width) = size;
        let config = config.clone().with_image(ImageShape {
            height,
            width,
            ..image
        });
        config.validate()?;
        let Self { classifier, about } = self;
        let (parameters, device) = (classifier.state()?, classifier.device());
        Ok(Self {
            classifier: from_state(&config, parameters, device)?,
            about: About {
                image_size_known: true,
                ..about
            },
        })
    }
}

impl Loaded {
    /// The same with names of its classes, where its files have none.
    pub fn with_class_names(mut self, names: Vec<String>, path: &Path) -> Result<Self> {
        let num_classes = self.classifier.config().num_classes();
        if names.len() != num_classes {
            return Err(Error::Record(format!(
                "class_names must name each of the {num_classes} classes of the model in {}, got {} names: {names:?}",
                path.display(),
                names.len()
            )));
        }
        match &self.about.metadata.class_names {
            Some(known) if *known != names => Err(Error::Record(format!(
                "class_names must be those of the model, and the classes of {} are {known:?}, got {names:?}; leave class_names out",
                path.display()
            ))),
            _ => {
                self.about.metadata.class_names = Some(names);
                Ok(self)
            }
        }
    }
}

/// What the names and shapes of a file's tensors say of its model.
pub(crate) struct Found<'a> {
    /// The configuration that they say, as far as they do.
    pub config: Option<NetworkConfig>,
    /// How many there are.
    pub tensors: usize,
    /// Whether they are the parameters of a network of a configuration.
    pub fits: &'a dyn Fn(&NetworkConfig) -> bool,
}

/// As messages show it: "`num_classes` 10 and `hidden_size` 512".
impl Display for Found<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match &self.config {
            Some(config) => formatter.write_str(&config.sizes()),
            None => write!(formatter, "{} other parameters", self.tensors),
        }
    }
}

/// What a file says of a model: its configuration, and the rest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stated {
    pub config: NetworkConfig,
    pub about: About,
}

impl Stated {
    /// Of a model of which nothing is known but what its parameters say.
    pub fn of_parameters(config: NetworkConfig) -> Self {
        let about = About {
            image_size_known: false,
            ..About::default()
        };
        Self { config, about }
    }

    /// Reads what [`About::write`] wrote; the reason where it is something else.
    pub fn parse(value: &Value) -> std::result::Result<Self, String> {
        let config = value.get("config").ok_or("the key \"config\" is missing")?;
        let image_size_known = states_image_size(config);
        let config = NetworkConfig::from_value(config, "").map_err(|error| error.to_string())?;
        let metadata = read_metadata(value)?;
        if let Some(names) = metadata
            .class_names
            .as_ref()
            .filter(|names| names.len() > config.num_classes())
        {
            return Err(format!(
                "class_names must name the {} classes, and there are {} names",
                config.num_classes(),
                names.len()
            ));
        }
        let about = About {
            metadata,
            image_size_known,
        };
        Ok(Self { config, about })
    }
}

/// Whether the JSON of a configuration says height and width; that of most networks is below the name of its kind.
fn states_image_size(config: &Value) -> bool {
    let below = config.as_object().filter(|object| object.len() == 1);
    let inner = below.and_then(|object| object.values().next());
    [Some(config), inner]
        .into_iter()
        .flatten()
        .any(|config| IMAGE_SIZE.iter().all(|key| config.get(key).is_some()))
}

/// The keys of a JSON object that say what a model knows; others are left alone.
pub(super) fn read_metadata(value: &Value) -> std::result::Result<Metadata, String> {
    let keys = ["class_names", "preprocessing", "statistics", "views"];
    let known: Map<String, Value> = keys
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), value.get(key)?.clone())))
        // Where nothing is known of a data set, it may say so.
        .filter(|(_, value)| !value.is_null())
        .collect();
    let metadata: Metadata =
        serde_json::from_value(known.into()).map_err(|error| error.to_string())?;
    check_names(metadata.class_names.as_deref().unwrap_or_default())?;
    Ok(metadata)
}

fn check_names(names: &[String]) -> std::result::Result<(), String> {
    let different: BTreeSet<&String> = names.iter().collect();
    if names.iter().any(String::is_empty) || different.len() < names.len() {
        return Err("class_names must be texts that are not empty and differ".into());
    }
    Ok(())
}
