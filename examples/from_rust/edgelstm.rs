//! Safe Rust over the C interface of a built model (`edgelstm.h`).

use std::ffi::CStr;
use std::os::raw::{c_char, c_void};

const ABI: i32 = 1;

extern "C" {
    fn edgelstm_abi() -> i32;
    fn edgelstm_info() -> *const c_char;
    fn edgelstm_arena_bytes() -> usize;
    fn edgelstm_snapshot_bytes() -> usize;
    fn edgelstm_input_size() -> usize;
    fn edgelstm_output_size() -> usize;
    fn edgelstm_init(arena: *mut c_void) -> i32;
    fn edgelstm_reset(arena: *mut c_void);
    fn edgelstm_step(arena: *mut c_void, x: *const f32, y: *mut f32) -> i32;
    fn edgelstm_process(arena: *mut c_void, x: *const f32, y: *mut f32, n: usize) -> usize;
    fn edgelstm_snapshot(arena: *const c_void, blob: *mut c_void) -> usize;
    fn edgelstm_restore(arena: *mut c_void, blob: *const c_void, size: usize) -> i32;
}

/// Why the state is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Sample of this number holds a NaN, an infinity, a value too large, or an index outside the model's table.
    Sample(usize),
    /// A snapshot is damaged.
    Damaged,
    /// A snapshot is of another model.
    Foreign,
}

/// A cache line: what an arena is made of, so that it is aligned.
#[repr(C, align(64))]
#[derive(Clone)]
struct Line([u8; 64]);

/// One stream of samples. Streams are independent; each may live in a thread of its own.
pub struct Stream {
    arena: Vec<Line>,
    pub input_size: usize,
    pub output_size: usize,
}

impl Stream {
    /// # Panics
    /// If the library has another interface version.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        // The functions take nothing and return constants.
        let (abi, bytes, input_size, output_size) = unsafe {
            (
                edgelstm_abi(),
                edgelstm_arena_bytes(),
                edgelstm_input_size(),
                edgelstm_output_size(),
            )
        };
        assert_eq!(abi, ABI, "the library has another interface than this file");
        let mut arena = vec![Line([0; 64]); (bytes + 63) / 64];
        // The arena has the size that the library asked for, and is aligned to 64.
        assert_eq!(unsafe { edgelstm_init(arena.as_mut_ptr().cast()) }, 0);
        Self {
            arena,
            input_size,
            output_size,
        }
    }

    /// What the model is, as JSON.
    pub fn info() -> &'static str {
        // A constant of the library, which stays loaded: ASCII with a final zero.
        unsafe { CStr::from_ptr(edgelstm_info()) }.to_str().expect("ASCII")
    }

    /// One timestep. Slices of other sizes than the model's panic.
    pub fn step(&mut self, x: &[f32], y: &mut [f32]) -> Result<(), Refused> {
        assert_eq!((x.len(), y.len()), (self.input_size, self.output_size));
        match unsafe { edgelstm_step(self.place(), x.as_ptr(), y.as_mut_ptr()) } {
            0 => Ok(()),
            _ => Err(Refused::Sample(0)),
        }
    }

    /// Many timesteps, bit-equal to stepping; all or none.
    pub fn process(&mut self, x: &[f32], y: &mut [f32]) -> Result<(), Refused> {
        let steps = x.len() / self.input_size;
        assert_eq!((x.len(), y.len()), (steps * self.input_size, steps * self.output_size));
        match unsafe { edgelstm_process(self.place(), x.as_ptr(), y.as_mut_ptr(), steps) } {
            done if done == steps => Ok(()),
            first => Err(Refused::Sample(first)),
        }
    }

    pub fn reset(&mut self) {
        unsafe { edgelstm_reset(self.place()) }
    }

    /// The state, for another process or machine.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut words = vec![0u32; unsafe { edgelstm_snapshot_bytes() } / 4]; // aligned to 4
        unsafe { edgelstm_snapshot(self.arena.as_ptr().cast(), words.as_mut_ptr().cast()) };
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    pub fn restore(&mut self, blob: &[u8]) -> Result<(), Refused> {
        if blob.len() != unsafe { edgelstm_snapshot_bytes() } {
            return Err(Refused::Damaged);
        }
        let words: Vec<u32> = blob
            .chunks_exact(4)
            .map(|four| u32::from_ne_bytes(four.try_into().unwrap()))
            .collect();
        match unsafe { edgelstm_restore(self.place(), words.as_ptr().cast(), blob.len()) } {
            0 => Ok(()),
            2 => Err(Refused::Foreign),
            _ => Err(Refused::Damaged),
        }
    }

    fn place(&mut self) -> *mut c_void {
        self.arena.as_mut_ptr().cast()
    }
}
