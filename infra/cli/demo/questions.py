"""The demo's five questions, and what an answer must hold.

Chosen by experiment among questions with a known answer: those that a static model of 16 MB answers well. It
knows which words go together but not their order, and it fails where a question shares no idea with AWS's own
words ("rent a virtual machine" finds the database cloud's machines, not RunInstances). Bedrock's models do better.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """Words, and the operation that must be among the first `within` answers."""

    text: str
    expected: str
    within: int = 3


QUESTIONS = (
    Question("detect faces in a photo", "rekognition.detect_faces"),
    Question("send a text message to a phone", "pinpoint-sms-voice-v2.send_text_message"),
    Question("put a message on a queue", "sqs.send_message"),
    Question("extract text from a scanned document", "textract.detect_document_text"),
    Question("throw away old container images", "ecr.batch_delete_image"),
)
