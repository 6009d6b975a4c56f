//! Every file of the corpora, through its law: what real iTops sent, what the specification prints, and all that
//! was ever found to break one.

use std::path::Path;

use itop_bridge_properties::LAWS;

#[test]
fn every_law_holds_of_its_whole_corpus() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, law) in LAWS {
        let files = std::fs::read_dir(corpora.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut tried = 0;
        for file in files {
            let path = file.expect("a file").path();
            let bytes = std::fs::read(&path).expect("it is read");
            println!("{}", path.display());
            law(&bytes);
            tried += 1;
        }
        assert!(tried >= 10, "{name} has {tried} files");
    }
}
