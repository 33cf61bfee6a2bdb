//! Networks that run.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cobasis_kernels::Team;

use crate::boxes::Point;
use crate::bytes::Bytes;
use crate::error::{Error, FORMAT, short};
use crate::execute::execute;
use crate::graph::{Graph, Op, check, join};
use crate::memory::Memory;
use crate::packed::Packed;
use crate::plan::Plan;
use crate::safetensors::File;
use crate::schedule::{Schedule, bytes_of_image};

/// Schedules that are kept: those of the sizes used last.
const KEPT: usize = 8;
/// Bytes of the maps that are there at a time, if the user says nothing and an image takes less.
const MAPS: usize = 16 << 20;

/// A deployed network that runs on the processor.
///
/// The first batch of a size is planned: filters are packed, and buffers, which maps share that are not
/// needed at the same time, are given their memory. Further batches of that size ask for none. On one thread,
/// which is what a network starts with, no other thread is touched.
///
/// A clone computes beside it: it shares the weights, and has memory and threads of its own.
#[derive(Debug)]
pub struct Network {
    graph: Arc<Graph>,
    metadata: Arc<BTreeMap<String, String>>,
    team: Team,
    packed: Arc<Mutex<Packed>>,
    /// The one used last comes first.
    schedules: Vec<Schedule>,
    /// The most images at a time, if the user says it.
    limit: Option<usize>,
    /// Otherwise: how many images of the size that was used last, if any was.
    fitting: Option<([usize; 2], usize)>,
    memory: Memory,
}

impl Network {
    /// The network of a deployed file's bytes, as `cobasis deploy` writes them.
    ///
    /// # Errors
    ///
    /// If they are not those of a deployed model with a plan, or the plan does not fit its tensors.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(Bytes::Here(bytes))
    }

    fn read(bytes: Bytes) -> Result<Self, Error> {
        let file = File::read(bytes)?;
        let format = file.metadata.get("format").map(String::as_str);
        if format != Some(FORMAT) {
            return Err(Error::NotDeployed(format.map_or("none".to_string(), short)));
        }
        let plan = file.plan().ok_or(Error::NoPlan)?;
        let mut graph = check(Plan::from_json(plan)?, &file)?;
        join(&mut graph);
        let packed = Arc::new(Mutex::new(Packed::take(&mut graph)));
        Ok(Self::new(Arc::new(graph), packed, Arc::new(file.metadata)))
    }

    /// [`from_bytes`](Self::from_bytes) for a file, of which no more than one tensor at a time is in memory
    /// twice.
    ///
    /// # Errors
    ///
    /// As [`from_bytes`](Self::from_bytes), and if the file can't be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |source| Error::Io { path: path.to_path_buf(), source };
        // A pipe may never say anything, and a device never end.
        if !fs::metadata(path).map_err(io)?.is_file() {
            return Err(io(io::Error::new(ErrorKind::InvalidInput, "not a regular file")));
        }
        let file = fs::File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Self::read(Bytes::Disk(&file, 0, length))
            .map_err(|problem| Error::File { path: path.to_path_buf(), problem: Box::new(problem) })
    }

    fn new(
        graph: Arc<Graph>,
        packed: Arc<Mutex<Packed>>,
        metadata: Arc<BTreeMap<String, String>>,
    ) -> Self {
        Self {
            graph,
            metadata,
            team: Team::new(1),
            packed,
            schedules: Vec::new(),
            limit: None,
            fitting: None,
            memory: Memory::default(),
        }
    }

    /// The network on so many threads: that of the caller, and others of its own. WebAssembly has no others.
    pub fn with_threads(mut self, threads: usize) -> Self {
        if threads.max(1) != self.team.threads() {
            self.team = Team::new(threads);
            // Work is divided among other threads.
            self.schedules.clear();
        }
        self
    }

    /// The network with so many images at a time, at least one: batches are computed in parts of so many.
    /// Otherwise in parts whose maps take about 16 MB: larger ones are not faster, and take more memory.
    pub fn with_images_at_once(mut self, images: usize) -> Self {
        self.limit = Some(images.max(1));
        self
    }

    /// The threads that compute.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// The channels of the images that it takes.
    pub fn channels(&self) -> usize {
        self.graph.channels()
    }

    /// What the file says of itself: an entry of its metadata, such as `model` or `images`, in which there is
    /// in JSON how images are prepared.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The output for a batch of images, `[batch, channels, height, width]`, row after row: the logits of a
    /// classifier, `[batch, classes]`; of a detector `[batch, points × (5 + classes)]`, for each point the
    /// left, upper, right and lower edge of its box in pixels, then the logits of there being a thing and of
    /// each class.
    ///
    /// It stays in the network's memory until the next batch.
    ///
    /// # Errors
    ///
    /// If there are other numbers than the shape has, the channels are not the network's, or the images are
    /// too small for it; if there is too little memory.
    pub fn run(&mut self, images: &[f32], shape: [usize; 4]) -> Result<&[f32], Error> {
        self.run_watched(images, shape, |_| ())
    }

    /// Where the time of a batch goes: the path of each operation in the model, in the order of the
    /// computation, and how long it took. Operations that are joined with others count as those.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn profile(
        &mut self,
        images: &[f32],
        shape: [usize; 4],
    ) -> Result<Vec<(String, Duration)>, Error> {
        let mut times = vec![Duration::ZERO; self.graph.nodes.len()];
        // Packing is no operation's time.
        self.plan(shape[0], [shape[2], shape[3]])?;
        let mut last = Instant::now();
        self.run_watched(images, shape, |node| {
            let now = Instant::now();
            times[node] += now - last;
            last = now;
        })?;
        let nodes = self.graph.nodes.iter().zip(times);
        Ok(nodes
            .filter(|(node, _)| !matches!(node.op, Op::Gone))
            .map(|(node, time)| (node.at.clone(), time))
            .collect())
    }

    fn run_watched(
        &mut self,
        images: &[f32],
        shape: [usize; 4],
        mut done: impl FnMut(usize) + Send,
    ) -> Result<&[f32], Error> {
        let [batch, channels, height, width] = shape;
        let numbers = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        if numbers != Some(images.len()) {
            let got = images.len();
            return Err(Error::Images(format!(
                "expected the numbers of the shape {shape:?}, got {got}"
            )));
        }
        if channels != self.channels() {
            let expected = self.channels();
            return Err(Error::Images(format!("expected {expected} channels, got {channels}")));
        }
        if batch == 0 {
            return Ok(&[]);
        }
        self.plan(batch, [height, width])?;
        let parts = batch.div_ceil(self.at_once(batch, [height, width])?);
        let (mut outputs, each) = (0, images.len() / batch);
        for part in 0..parts {
            let part = part * batch / parts..(part + 1) * batch / parts;
            self.schedule(part.len(), [height, width])?;
            let Self { graph, team, schedules, memory, .. } = self;
            let Some(schedule) = schedules.first() else { break };
            outputs = schedule.outputs(graph);
            let images = &images[part.start * each..part.end * each];
            team.run(|| execute(graph, schedule, images, memory, part.start * outputs, &mut done));
        }
        Ok(&self.memory.output[..batch * outputs])
    }

    /// Plans for batches of so many images of a height and width, which [`run`](Self::run) does the first
    /// time.
    ///
    /// # Errors
    ///
    /// If the images are too small for the network, or there is too little memory.
    pub fn plan(&mut self, batch: usize, image: [usize; 2]) -> Result<(), Error> {
        let batch = batch.max(1);
        let parts = batch.div_ceil(self.at_once(batch, image)?);
        self.schedule(batch.div_ceil(parts), image)?;
        self.schedule(batch / parts, image)?;
        let outputs = self.schedules.first().map_or(0, |schedule| schedule.outputs(&self.graph));
        let (output, numbers) = (&mut self.memory.output, batch.saturating_mul(outputs));
        let more = numbers.saturating_sub(output.len());
        if more > 0 {
            let memory = |_| Error::Memory { bytes: numbers.saturating_mul(4), batch };
            output.try_reserve_exact(more).map_err(memory)?;
            output.resize(numbers, 0.0);
        }
        Ok(())
    }

    /// How many of a batch of images are computed at a time.
    fn at_once(&mut self, batch: usize, image: [usize; 2]) -> Result<usize, Error> {
        let fitting = match (self.limit, self.fitting) {
            (Some(limit), _) => limit,
            (None, Some((known, fitting))) if known == image => fitting,
            (None, _) => {
                let fitting = MAPS / bytes_of_image(&self.graph, image)?.max(1);
                self.fitting = Some((image, fitting));
                fitting
            }
        };
        Ok(fitting.clamp(1, batch))
    }

    /// Brings the schedule for so many images of a size to the front.
    fn schedule(&mut self, batch: usize, image: [usize; 2]) -> Result<(), Error> {
        let known = |schedule: &Schedule| schedule.batch == batch && schedule.image == image;
        if let Some(place) = self.schedules.iter().position(known) {
            self.schedules[..=place].rotate_right(1);
            return Ok(());
        }
        let Self { graph, team, packed, memory, .. } = self;
        let mut packed = packed.lock().unwrap_or_else(PoisonError::into_inner);
        let schedule = team.run(|| Schedule::new(graph, &mut packed, batch, image))?;
        drop(packed);
        memory.grow(graph, &schedule)?;
        team.reserve(schedule.rooms(graph));
        self.schedules.truncate(KEPT - 1);
        self.schedules.insert(0, schedule);
        Ok(())
    }

    /// The points of a detector in images of a height and width, in the order of its output; none in a
    /// classifier.
    ///
    /// # Errors
    ///
    /// If the images are too small for the network, or there is too little memory.
    pub fn points(&mut self, image: [usize; 2]) -> Result<&[Point], Error> {
        if !self.schedules.iter().any(|schedule| schedule.image == image) {
            self.schedule(1, image)?;
        }
        let schedule = self.schedules.iter().find(|schedule| schedule.image == image);
        Ok(schedule.map_or(&[], |schedule| &schedule.points))
    }
}

impl Clone for Network {
    fn clone(&self) -> Self {
        let Self { graph, packed, metadata, .. } = self;
        let clone = Self::new(Arc::clone(graph), Arc::clone(packed), Arc::clone(metadata));
        Self { limit: self.limit, ..clone }.with_threads(self.threads())
    }
}
