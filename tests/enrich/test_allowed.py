"""What may join a report, asked sooner than its reason, is what has none."""

from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.enrich.facts import ReportFacts
from semenrich_datasets.reading import Reader

READER = Reader()
EVERYDAY = [
    "No pleural effusion.",
    "Small left pleural effusion.",
    "No pleural effusion or pneumothorax.",
    "Heart size normal.",
    "The heart is enlarged.",
    "Lungs clear.",
    "No large effusion.",
    "Cannot exclude pneumonia.",
    "No change.",
    "The right lung is clear.",
    "Lungs zorbified.",
    "No acute bony abnormality.",
]


@given(
    st.lists(st.sampled_from(EVERYDAY), max_size=4),
    st.lists(st.sampled_from(EVERYDAY), max_size=2),
    st.sampled_from(EVERYDAY),
)
def test_what_is_allowed_is_what_has_no_reason(findings, context, sentence):
    facts, proposal = ReportFacts.read(READER, findings, context), READER.read(sentence)
    assert facts.allows(proposal) == (facts.check(proposal) is None)
