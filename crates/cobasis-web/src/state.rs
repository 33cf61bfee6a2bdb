//! What is behind the exports: networks, and room for what goes in and out.

use std::cell::RefCell;
use std::ptr;

use cobasis_run::Network;

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State::new()) };
}

/// Calls the job with what there is.
pub(crate) fn with<T>(job: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(job)
}

/// Networks by their numbers, less one, and what the page reads and writes.
pub(crate) struct State {
    networks: Vec<Option<Network>>,
    bytes: Vec<u8>,
    images: Vec<f32>,
    /// Where the last output is.
    output: *const f32,
    text: String,
}

impl State {
    const fn new() -> Self {
        Self {
            networks: Vec::new(),
            bytes: Vec::new(),
            images: Vec::new(),
            output: ptr::null(),
            text: String::new(),
        }
    }

    pub(crate) fn room_for_bytes(&mut self, bytes: usize) -> *mut u8 {
        self.bytes = Vec::new();
        match room(bytes) {
            Some(room) => {
                self.bytes = room;
                self.bytes.as_mut_ptr()
            }
            None => self.wrong(ptr::null_mut(), format!("there is no room for {bytes} bytes")),
        }
    }

    pub(crate) fn room_for_images(&mut self, numbers: usize) -> *mut f32 {
        // Images of the size of before take their places.
        if self.images.len() != numbers {
            self.images = Vec::new();
            match room(numbers) {
                Some(room) => self.images = room,
                None => {
                    return self
                        .wrong(ptr::null_mut(), format!("there is no room for {numbers} numbers"));
                }
            }
        }
        self.images.as_mut_ptr()
    }

    pub(crate) fn load(&mut self) -> u32 {
        let bytes = std::mem::take(&mut self.bytes);
        match Network::from_bytes(&bytes) {
            Ok(network) => {
                let free = self.networks.iter().position(Option::is_none);
                let place = free.unwrap_or(self.networks.len());
                if free.is_none() {
                    self.networks.push(None);
                }
                self.networks[place] = Some(network);
                place as u32 + 1
            }
            Err(error) => self.wrong(0, error.to_string()),
        }
    }

    pub(crate) fn unload(&mut self, number: u32) {
        if let Some(network) = place(number).and_then(|place| self.networks.get_mut(place)) {
            *network = None;
            self.output = ptr::null();
        }
    }

    pub(crate) fn channels(&mut self, number: u32) -> usize {
        match self.network(number) {
            Some(network) => network.channels(),
            None => self.unknown(number),
        }
    }

    pub(crate) fn metadata(&mut self, number: u32) -> u32 {
        let word = String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned();
        let Some(network) = self.network(number) else { return self.unknown(number) };
        match network.metadata(&word).map(str::to_string) {
            Some(entry) => {
                self.text = entry;
                1
            }
            None => self.wrong(0, format!("the file says nothing of {word:?}")),
        }
    }

    pub(crate) fn run(&mut self, number: u32, shape: [usize; 4]) -> usize {
        self.output = ptr::null();
        if shape[0] == 0 {
            return self.wrong(0, "images: expected at least one, got none".to_string());
        }
        let Self { networks, images, .. } = self;
        let network = place(number).and_then(|place| networks.get_mut(place)?.as_mut());
        let Some(network) = network else { return self.unknown(number) };
        match network.run(images, shape) {
            Ok(output) => {
                self.output = output.as_ptr();
                output.len()
            }
            Err(error) => self.wrong(0, error.to_string()),
        }
    }

    pub(crate) fn output(&self) -> *const f32 {
        self.output
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn network(&mut self, number: u32) -> Option<&mut Network> {
        place(number).and_then(|place| self.networks.get_mut(place)?.as_mut())
    }

    fn unknown<T: Default>(&mut self, number: u32) -> T {
        self.wrong(T::default(), format!("there is no network of the number {number}"))
    }

    /// Says what is wrong, and returns what says that something is.
    fn wrong<T>(&mut self, instead: T, text: String) -> T {
        self.text = text;
        instead
    }
}

fn place(number: u32) -> Option<usize> {
    number.checked_sub(1).map(|place| place as usize)
}

/// So many zeros, if there is memory for them.
fn room<T: Clone + Default>(count: usize) -> Option<Vec<T>> {
    let mut room = Vec::new();
    room.try_reserve_exact(count).ok()?;
    room.resize(count, T::default());
    Some(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_and_nothing_panics() {
        let mut state = State::new();
        for number in [0, 1, 7, u32::MAX] {
            state.unload(number);
            assert_eq!(state.channels(number), 0);
            assert_eq!(state.metadata(number), 0);
            assert_eq!(state.run(number, [1, 1, 8, 8]), 0);
            assert_eq!(state.text(), format!("there is no network of the number {number}"));
            assert!(state.output().is_null());
        }
        assert_eq!(state.load(), 0);
        assert!(state.text().starts_with("not a valid safetensors file"), "{}", state.text());
        assert!(state.room_for_bytes(usize::MAX).is_null());
        assert!(state.room_for_images(usize::MAX / 2).is_null());
        assert!(state.text().starts_with("there is no room for"), "{}", state.text());
        assert!(!state.room_for_bytes(0).is_null() && !state.room_for_images(3).is_null());
    }
}
