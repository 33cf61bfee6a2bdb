//! Memory is asked for once. Alone in its process, whose memory is counted.

mod common;

use cobasis_kernels::allocator::Counting;
use cobasis_run::Network;
use common::values;

#[global_allocator]
static MEMORY: Counting = Counting::new();

#[test]
fn a_batch_of_a_size_that_was_there_asks_for_no_memory() {
    let bytes = common::Network::of_all().bytes();
    for threads in [1, 3] {
        let mut network = Network::from_bytes(&bytes).expect("a network").with_threads(threads);
        let images = values(4 * 3 * 40 * 40, 1);
        let mut asked = Vec::new();
        for batch in [4, 1, 3, 4, 4, 1, 3, 1, 4] {
            let (images, shape) = (&images[..batch * 3 * 1600], [batch, 3, 40, 40]);
            let before = MEMORY.count();
            network.run(images, shape).expect("logits");
            asked.push(MEMORY.count() - before);
        }
        assert!(asked[..3].iter().all(|&asked| asked > 0));
        assert_eq!(asked[3..], [0; 6], "{threads} threads");
    }
}
