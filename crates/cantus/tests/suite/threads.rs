//! What may go from thread to thread and be shared between them, held while this compiles; and that their
//! number changes no bit.

use cantus::{CantusError, Identification, Identifier};

use crate::music::{front_end, model_file, music};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<CantusError>();
    shared::<Identification>();
    shared::<Identifier>();
};

#[test]
fn equal_music_gives_equal_bits_at_any_number_of_threads() {
    let model = model_file(front_end("whole")).to_bytes().unwrap();
    let identifier = Identifier::from_bytes(&model).unwrap();
    let samples = music(6.0, 16_000);
    let by = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| identifier.identify_samples(&samples, 16_000).unwrap())
    };
    let one = by(1);
    for threads in [2, 3] {
        let more = by(threads);
        for (here, there) in one.clips.iter().zip(&more.clips) {
            let bits = |numbers: &[f32]| -> Vec<u32> {
                numbers.iter().map(|number| number.to_bits()).collect()
            };
            assert_eq!(bits(&here.probabilities), bits(&there.probabilities));
            assert_eq!(bits(&here.embedding), bits(&there.embedding));
        }
        assert_eq!(one, more);
    }
}
