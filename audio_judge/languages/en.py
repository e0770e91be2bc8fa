"""English: what a new language is measured by."""

from audio_judge.languages.patterns import CLIP, NEVER
from audio_judge.languages.words import Asked, CauseWords, Claims, Language, RubricWords, SpokenOf, Texts

RUBRICS = {
    "mos": RubricWords(
        "overall quality",
        ("bad", "poor", "fair", "good", "excellent"),
        "How good the speech sounds on the whole: the highest score means excellent, the lowest bad.",
        ("How good does the speech sound overall?", "How is the overall quality of this clip?"),
    ),
    "noisiness": RubricWords(
        "noisiness",
        ("very noisy", "noisy", "somewhat noisy", "slightly noisy", "not noisy"),
        "How free the speech is of noise: the highest score means not noisy, the lowest very noisy.",
        ("How noisy is the speech?", "How much noise is there?"),
    ),
    "coloration": RubricWords(
        "coloration",
        ("very coloured", "coloured", "somewhat coloured", "slightly coloured", "not coloured"),
        "How natural the timbre of the speech is: the highest score means not coloured, the lowest very coloured.",
        ("How coloured does the voice sound?", "How natural is the timbre of the voice?"),
    ),
    "discontinuity": RubricWords(
        "discontinuity",
        ("very interrupted", "interrupted", "somewhat interrupted", "slightly interrupted", "not interrupted"),
        "How unbroken the speech is: the highest score means not interrupted, the lowest very interrupted.",
        ("How interrupted is the speech?", "Does the speech run through without breaks?"),
    ),
    "loudness": RubricWords(
        "loudness",
        ("very unsuitable", "unsuitable", "somewhat unsuitable", "slightly unsuitable", "just right"),
        "How well the loudness suits a listener: the highest score means just right, the lowest very unsuitable, "
        "be it far too quiet or far too loud.",
        ("How suitable is the loudness of the speech?", "Is the loudness right?"),
    ),
    "intelligibility": RubricWords(
        "intelligibility",
        ("incomprehensible", "hard to follow", "partly clear", "mostly clear", "effortless"),
        "How easily the words are understood: the highest score means effortless, the lowest incomprehensible.",
        ("How well can the words be understood?", "How intelligible is the speech?"),
    ),
    "distortion": RubricWords(
        "distortion",
        ("very distorted", "distorted", "somewhat distorted", "slightly distorted", "undistorted"),
        "How free the speech is of any distortion, noise or dropouts: the highest score means undistorted, the "
        "lowest very distorted.",
        ("How distorted is the speech?", "How much distortion is there?"),
    ),
    "speech_rate": RubricWords(
        "speech rate",
        ("slow", "slightly slow", "appropriate", "slightly fast", "fast"),
        "How fast the person speaks: the highest score means fast, the lowest slow, and the middle suits best.",
        ("How fast does the person speak?", "Is the pace of the speech right?"),
    ),
    "dynamic_range": RubricWords(
        "dynamic range",
        ("flat or erratic", "uneven", "acceptable", "smooth", "lively"),
        "How naturally soft and loud passages alternate: the highest score means lively, the lowest flat or erratic.",
        ("How natural are the changes between soft and loud?",),
    ),
    "emotional_impact": RubricWords(
        "emotional impact",
        ("expressionless", "weak", "moderate", "moving", "gripping"),
        "How strongly the feeling in the voice reaches the listener: the highest score means gripping, the lowest "
        "expressionless.",
        ("How much emotion does the voice convey?",),
    ),
    "artistic_expression": RubricWords(
        "artistic expression",
        ("mechanical", "plain", "adequate", "skilful", "masterly"),
        "How artfully rhythm, stress and melody are used: the highest score means masterly, the lowest mechanical.",
        ("How artful is the delivery?",),
    ),
    "subjective_experience": RubricWords(
        "listening experience",
        ("unbearable", "unpleasant", "neutral", "pleasant", "delightful"),
        "How pleasant it is to listen: the highest score means delightful, the lowest unbearable.",
        ("How pleasant is it to listen to this?",),
    ),
    "speed": RubricWords(
        "speaking speed",
        ("too slow", "rather slow", "just right", "rather quick", "too quick"),
        "How quick the speech is: the highest score means too quick, the lowest too slow, and the middle suits best.",
        ("How quick is the speech?",),
    ),
    "naturalness": RubricWords(
        "naturalness",
        ("artificial", "mostly artificial", "in between", "mostly human", "human"),
        "How much the voice sounds like a real person: the highest score means human, the lowest artificial.",
        ("How natural does the voice sound?", "Does this sound like a real person?"),
    ),
    "background_noise": RubricWords(
        "background noise",
        ("overwhelming noise", "strong noise", "moderate noise", "faint noise", "silent"),
        "How quiet the background is: the highest score means silent, the lowest overwhelming noise.",
        ("How quiet is the background?",),
    ),
    "distortion_level": RubricWords(
        "distortion level",
        ("ruined", "damaged", "rough", "nearly intact", "intact"),
        "How clean the voice itself is, apart from the background: the highest score means intact, the lowest ruined.",
        ("How clean is the voice itself?",),
    ),
    "listening_effort": RubricWords(
        "listening effort",
        ("all effort in vain", "great effort", "some effort", "little effort", "no effort"),
        "How relaxed one can be and still understand: the highest score means no effort, the lowest all effort in "
        "vain.",
        ("How much effort does listening take?",),
    ),
    "continuity": RubricWords(
        "continuity",
        ("fragmented", "often broken", "sometimes broken", "nearly fluent", "fluent"),
        "How well the speech flows, without dropouts and odd pauses: the highest score means fluent, the lowest "
        "fragmented.",
        ("How well does the speech flow?",),
    ),
    "production_quality": RubricWords(
        "production quality",
        ("unusable", "amateurish", "decent", "professional", "flawless"),
        "How well the audio is made, technically: the highest score means flawless, the lowest unusable.",
        ("How well is this audio produced?",),
    ),
    "production_complexity": RubricWords(
        "production complexity",
        ("a single source", "sparse", "moderate", "rich", "very rich"),
        "How many sound sources and layers there are: the highest score means very rich, the lowest a single source.",
        ("How complex is the audio scene?",),
    ),
    "content_enjoyment": RubricWords(
        "content enjoyment",
        ("dreadful", "dull", "fine", "enjoyable", "wonderful"),
        "How much one enjoys what is heard, as taste and art: the highest score means wonderful, the lowest dreadful.",
        ("How enjoyable is this to hear?",),
    ),
    "content_usefulness": RubricWords(
        "content usefulness",
        ("useless", "of little use", "usable", "useful", "ideal"),
        "How well the audio could serve as material for a new work: the highest score means ideal, the lowest useless.",
        ("How useful is this as source material?",),
    ),
    "child_voice": RubricWords(
        "child voice",
        ("adult", "child"),
        "Whether the speaker is a child: the highest score means child, the lowest adult.",
        ("Is this a child speaking?",),
    ),
    "whispering": RubricWords(
        "whispering",
        ("voiced", "whispered"),
        "Whether the style of speaking is a whisper: the highest score means whispered, the lowest voiced.",
        ("Does the person whisper?",),
    ),
    "reverberation": RubricWords(
        "reverberation",
        ("dry", "slightly reverberant", "somewhat reverberant", "reverberant", "very reverberant"),
        "How strongly the room is heard: the highest score means very reverberant, the lowest dry.",
        ("How reverberant is the recording?",),
    ),
    "music_distortion": RubricWords(
        "music distortion",
        ("undisturbed", "slightly disturbed", "somewhat disturbed", "disturbed", "very disturbed"),
        "How much foreign sounds disturb the music: the highest score means very disturbed, the lowest undisturbed.",
        ("How much do foreign sounds disturb the music?",),
    ),
    "sudden_silence": RubricWords(
        "sudden silence",
        ("none of it", "a little of it", "some of it", "much of it", "most of it"),
        "How much of the clip falls silent all of a sudden: the highest score means most of it, the lowest none of it.",
        ("How much of the clip is suddenly silent?",),
    ),
    "fluency": RubricWords(
        "fluency",
        ("stop and go", "often broken off", "hesitant", "mostly smooth", "perfectly smooth"),
        "How smoothly the speaker gets through the sentence: the highest score means perfectly smooth, without a pause or a "
        "stumble that one notices, the lowest stop and go throughout.",
        (
            "How fluent is the speaker?",
            "How smoothly does the sentence run?",
            "Does the speaker hesitate, repeat words or stumble?",
            "How easily do the words come to this speaker?",
            "As a language teacher, how would you mark the fluency?",
        ),
    ),
    "prosody": RubricWords(
        "prosody",
        ("falls apart", "no rhythm", "uneven", "nearly native", "lively and native"),
        "How right melody, stress, rhythm and pace of the sentence are: the highest score means lively and native, the lowest "
        "that the sentence falls apart.",
        (
            "How good are the rhythm and the melody of the sentence?",
            "Are stress, intonation and pace those of a native speaker?",
            "How natural is the intonation of this reader?",
            "As a language teacher, how would you mark the prosody?",
        ),
    ),
    "accuracy": RubricWords(
        "pronunciation accuracy",
        ("hardly a word right", "grave mistakes", "many mistakes", "few mistakes", "no mistakes"),
        "How correctly the sounds of the words are pronounced: the highest score means no mistakes that one notices, the lowest "
        "hardly a word right.",
        (
            "How well are the words pronounced?",
            "Are the sounds right?",
            "How many mistakes of pronunciation are there?",
            "How strongly does an accent get in the way of the sounds?",
            "As a language teacher, how would you mark the pronunciation?",
        ),
    ),
    "completeness": RubricWords(
        "completeness",
        ("no word", "a quarter of the words", "half of the words", "three quarters of the words", "every word"),
        "What share of the words of the sentence is there and pronounced well: the highest score means every word, the lowest "
        "no word.",
        (
            "How much of the sentence was said properly?",
            "Are all words there?",
            "What share of the words did the speaker get out well?",
        ),
    ),
    "total": RubricWords(
        "spoken language overall",
        ("very weak", "weak", "satisfactory", "strong", "very strong"),
        "How well the sentence is spoken in all, by the standard of a native speaker: the highest score means very strong, the "
        "lowest very weak.",
        (
            "How well does this person speak the language?",
            "What mark would an examiner give for the whole sentence?",
            "How good is the pronunciation in all?",
        ),
    ),
    "word_intelligibility": RubricWords(
        "word recognition",
        ("word misheard", "word recognised"),
        "What share of listeners would write down the word that is spoken, noise and all: the highest score means word "
        "recognised by all, the lowest word misheard by all.",
        (
            "Would a listener make out this word?",
            "Can the word be recognised in the noise?",
            "How many of a hundred listeners would get this word right?",
        ),
    ),
}

PHRASINGS = {
    "reference_notes": (
        "You hear the degraded clip and its clean reference; judge the degraded clip.",
        "A clean reference is given next to the degraded clip. Compare with the reference, but judge the degraded clip.",
        "One clip is the degraded speech, the other the clean reference: the answer is about the degraded one.",
        "Use the clean reference to judge what is wrong with the degraded clip.",
    ),
    "decide": (
        "How good is the clip in terms of {label}?",
        "Rate the {label} of the speech.",
        "What is the {label} of this clip?",
        "Judge the {label}.",
        "Please rate the {label} you hear.",
        "Which level of {label} fits this recording?",
        "How would listeners rate the {label}?",
        "Give the {label} of the recording.",
        "{label}: which level fits best?",
        "Score this clip for {label}.",
        "Assess the {label} of the audio.",
        "How do you judge the {label} here?",
        "Pick the level that describes the {label}.",
        "Estimate the average listener rating of {label}.",
        "What would a listening panel say about {label}?",
        "Listen and rate the {label}.",
        "In your opinion, how is the {label}?",
        "Tell me the {label} of this signal.",
        "Grade the {label} of the sample.",
        "How does the clip do on {label}?",
        "Mean opinion on {label}, please.",
        "Choose the fitting level of {label}.",
    ),
    "score": (
        "Rate the {label} of this clip from {low} to {high}.",
        "How would you score the {label}? Give one number from {low} to {high}.",
        "{definition} Give the {label} a score between {low} and {high}.",
        "What is the {label} of the speech on a scale of {low} to {high}, where {good_end} is best?",
        "Give me a number for the {label}, {low} to {high}.",
        "Listen to the recording and rate its {label}. Answer with one number from {low} to {high}; {good_end} is best.",
        "{label}, {low} to {high}?",
        "Estimate the mean opinion score for {label} ({low} to {high}).",
        "What score would a panel of listeners give the {label}, from {low} to {high}?",
        "Please score the {label}. {definition} The scale runs from {low} to {high}.",
        "I need the {label} of this file as a number from {low} to {high}.",
        "On a scale from {low} to {high}, how is the {label}?",
        "Predict the average listener rating of {label} with one decimal, from {low} to {high}.",
        "Hey, how does this sound in terms of {label}? Just a number, {low} to {high}, {good_end} is the best.",
        "Score {label} from {low} to {high}. No words, only the number.",
        "Act as a listener in a test: rate the {label} between {low} and {high}.",
        "Judge the {label} of this sample. {definition} Reply with a score from {low} to {high}.",
        "Can you tell me the {label} of this audio? The best score is {good_end}; the range is {low} to {high}.",
        "Assess the {label} of the signal on the {low} to {high} scale.",
        "Which value from {low} to {high} describes the {label} best?",
        "Give a single {label} rating for the clip. Scale: {low} to {high}, best: {good_end}.",
        "We are checking a voice service. Rate the {label} of this call, {low} to {high}.",
        "Quick check: {label} from {low} to {high}, please.",
        "Report the {label} score. Range {low} to {high}, one decimal.",
    ),
    "categorize": (
        "Which level of {label} fits this clip: {levels}?",
        "Describe the {label} with one of these: {levels}.",
        "Pick one for the {label}: {levels}.",
        "{definition} Choose the fitting level of {label}: {levels}.",
        "How is the {label}? Answer with one of: {levels}.",
        "Classify the {label} of the recording. Classes: {levels}.",
        "What category does the {label} fall into? Options: {levels}.",
        "In one term, how is the {label} of the speech? Use {levels}.",
        "Would you call the {label} of this clip {levels}?",
        "Label this sample for {label}. Allowed labels: {levels}.",
        "Please choose the level of {label} from this list: {levels}.",
        "Sort this clip by {label} into one of these groups: {levels}.",
        "{label}: {levels}?",
        "Listen and tell me which of these suits the {label}: {levels}.",
        "Assign a verbal rating of {label}. Levels, lowest first: {levels}.",
        "Rate the {label} in words. The words to use are {levels}.",
        "What would most listeners tick for {label}? The boxes say {levels}.",
        "No number, please: name the {label} as one of {levels}.",
        "Judge the {label}. {definition} Say one of {levels}.",
        "Choose a category for {label} from: {levels}.",
        "I want to know the {label} of this file. It is one of {levels}.",
        "Quick one: {label}? Say {levels}.",
    ),
    "profile": (
        "Rate {labels} from {low} to {high}, one per line.",
        "Give a profile of this clip: {labels}. Scale {low} to {high}, {direction}.",
        "Score the clip on {labels}. Each from {low} to {high}.",
        "How does this recording do on {labels}? Numbers from {low} to {high}.",
        "Please rate each of these from {low} to {high}: {labels}.",
        "List the scores for {labels} ({low} to {high}, {direction}).",
        "I want the full picture: {labels}, each {low} to {high}.",
        "Evaluate the speech on every dimension: {labels}. Use {low} to {high}.",
        "{labels}: one score each, {low} to {high}.",
        "Report {labels} as numbers between {low} and {high}.",
        "Fill in a score sheet with {labels}; the scale is {low} to {high}, {direction}.",
        "Act as a listening panel and rate {labels}. The range is {low} to {high}.",
        "Break the quality down into {labels} and score each from {low} to {high}.",
        "Tell me the values of {labels} for this audio, {low} to {high}.",
        "What are the scores of this sample for {labels}? They go from {low} to {high}; {direction}.",
        "Predict the mean ratings of {labels} on the {low} to {high} scale.",
        "Give me numbers for {labels}, name first. {low} to {high}.",
        "Score sheet, please: {labels}.",
        "Judge this clip dimension by dimension ({labels}), {low} to {high}, one decimal.",
        "Measure the perceived quality: {labels}. Scores run from {low} to {high} and {direction}.",
        "Rate everything from {low} to {high}: {labels}.",
        "Quick profile of the file, {low} to {high}: {labels}.",
    ),
    "explain": (
        "Explain the quality of this clip: {labels}, each {low} to {high}, then the reasons.",
        "What is wrong with this recording? Give {labels} from {low} to {high} and say why.",
        "Score {labels} from {low} to {high} and explain the scores.",
        "Why does this clip sound the way it does? Start with {labels} ({low} to {high}).",
        "Rate {labels} between {low} and {high}, then give the causes and a verdict.",
        "Please describe the speech quality: first {labels}, {low} to {high}, then words.",
        "Tell me what I hear here and why. Begin with scores for {labels}, {low} to {high}.",
        "Write a short report on this audio with {labels} ({low} to {high}, {direction}) and reasons.",
        "Find the faults in this clip. Scores first: {labels}, {low} to {high}.",
        "How good is this, and why? Use {labels} on a {low} to {high} scale.",
        "Diagnose the recording. Scores of {labels} from {low} to {high}, then the causes.",
        "Give {labels} from {low} to {high} with an explanation.",
        "Act as an audio engineer: rate {labels} ({low} to {high}) and name what went wrong.",
        "I need an explanation of the quality. {labels}, {low} to {high}, followed by the reasons.",
        "Judge this sample on {labels}, {low} to {high}; {direction}. Justify the judgement.",
        "Listen closely, rate {labels} from {low} to {high}, and explain what you noticed.",
        "Comment on the quality of the speech. Put scores for {labels} ({low} to {high}) at the top.",
        "A user complains about this call. Rate {labels}, {low} to {high}, and explain the trouble.",
        "Explain in a few sentences; {labels} from {low} to {high} come first.",
        "What degraded this speech? Scores: {labels}, {low} to {high}. Then the causes.",
        "Quick diagnosis, please, with {labels} from {low} to {high}.",
        "Assess the clip on {labels} ({low} to {high}) and support every low score with a reason.",
    ),
    "describe": (
        "Describe the quality of this speech and end with its MOS.",
        "Write a description of how this clip sounds; put the MOS (1 to 5) last.",
        "In a few sentences, what is the quality like? Finish with the MOS.",
        "Please describe noise, timbre, breaks and loudness, then give the MOS.",
        "Tell me how the speech sounds and close with a MOS from 1 to 5.",
        "Give a short account of the speech quality ending in the MOS.",
        "How does this recording come across? End your text with the MOS.",
        "Put the quality of this clip into words, with the MOS at the end.",
        "Write as a listener: what do you notice, and which MOS do you give in the end?",
        "Describe what you hear. The last sentence states the MOS.",
        "Characterise the speech quality; the MOS comes at the end.",
        "A paragraph on the quality of this sample, please, and then the MOS.",
        "Explain to a colleague how this call sounded; finish with the MOS.",
        "Caption the quality of this audio. The MOS goes last.",
        "What stands out in this recording? Describe it and conclude with a MOS.",
        "Sum up the quality of the speech in prose and add the MOS in the end.",
        "Portray the sound of this clip and give the overall MOS after that.",
        "Comment on every aspect of the quality, and on the whole with a MOS.",
        "Write a review of the sound quality that leads up to a MOS.",
        "Describe strengths and weaknesses of this clip; last, the MOS (1 to 5).",
        "Speak about the quality as a listener would and finish with one MOS.",
        "Give me text, not a table: quality of the speech, MOS at the end.",
    ),
    "assess": (
        "Assess this speech: think through {dimensions}, then sum up in words.",
        "Go through {dimensions} one by one, then give your assessment.",
        "Evaluate the clip in two parts: scores of {dimensions} as a thought, then an answer in words.",
        "Think first: {dimensions}. Then describe the quality of the speech.",
        "Please assess the recording. Note {dimensions} before you answer.",
        "I need a full assessment of this voice clip, covering {dimensions}.",
        "Judge the speech step by step ({dimensions}) and finish with a summary.",
        "What is your assessment of this speech? Consider {dimensions}.",
        "Write down scores for {dimensions}, with notes, and then a short review.",
        "Do a complete quality check: {dimensions}. Close with a paragraph.",
        "Listen and assess. Reason about {dimensions}; answer in plain words.",
        "How good is this speech in every respect ({dimensions})? Reason first.",
        "Give a reasoned assessment built on {dimensions}.",
        "Act as a speech expert: rate {dimensions}, then report what you hear.",
        "Break the speech down into {dimensions}, score each, and conclude.",
        "Examine the sample for {dimensions} and tell me the outcome.",
        "Assess technique and performance together: {dimensions}. Then a summary.",
        "Note one line each for {dimensions}, and explain them afterwards.",
        "Take your time with {dimensions}, then put the result into words.",
        "Review this speech. Your notes should cover {dimensions}.",
        "Tell me all about the quality of this clip: {dimensions}, and a verdict.",
        "Make an assessment sheet with {dimensions} and a written comment.",
    ),
    "compare": (
        "Which clip is better, A or B? Name the aspects that decide ({aspects}), then your choice.",
        "Compare the two speech clips in {aspects} and choose one.",
        "Do an A/B test: which speech do you prefer, and in which of {aspects} does it win?",
        "A or B? Look at {aspects}; tie is allowed.",
        "Tell me how A and B differ in {aspects} and which is the better one.",
        "Please compare both recordings ({aspects}) and end with your preference.",
        "Two versions of a call: which sounds better, and why? Aspects: {aspects}.",
        "Pick the better of the two clips. Mention where they differ clearly in {aspects}.",
        "Which one would listeners prefer? Argue with {aspects}.",
        "Weigh A against B on {aspects} and state the winner.",
        "Judge this pair. Differences may lie in {aspects}.",
        "Is A better than B, or B better than A, or are they alike? Think of {aspects}.",
        "Contrast the clips in terms of {aspects}, then say which to keep.",
        "I have to choose one of these two. Which one, considering {aspects}?",
        "Say which speech has the higher quality and which of {aspects} make the difference.",
        "Find the clear differences in {aspects} between A and B and decide.",
        "Act as a listener in a preference test on {aspects}. What is your choice?",
        "Compare, explain by {aspects}, choose: A, B or tie.",
        "What separates A from B? Use {aspects} and give your preference.",
        "Quick comparison, please: {aspects}, and the better clip.",
        "Which of these two is the better speech? The aspects are {aspects}.",
        "Hear both clips, compare {aspects} and vote for one of them.",
    ),
    "compare_dimensions": (
        "Compare A and B in {dimensions}, one by one, then sum up.",
        "Think through {dimensions} for both clips and write a comparison.",
        "For each of {dimensions}, which clip is better? Then a summary.",
        "Give a full comparison of the two voices: {dimensions}.",
        "Go through {dimensions}, say where A or B leads, and conclude.",
        "Reason about {dimensions} first, then compare A and B in words.",
        "Contrast the two samples dimension by dimension ({dimensions}).",
        "Please compare both clips. Your notes should cover {dimensions}.",
        "How do A and B differ in {dimensions}? End with a paragraph.",
        "Act as a speech expert and compare A with B in {dimensions}.",
        "Make a sheet of verdicts on {dimensions} and comment on it.",
        "Decide each of {dimensions} between A and B, then describe the outcome.",
        "I need a detailed comparison of these two: {dimensions}.",
        "Is A or B ahead in {dimensions}? Similar is an answer, too.",
        "Hold both clips against {dimensions} and explain the result.",
        "Where is A better, where B? Check {dimensions}.",
        "Evaluate the pair on {dimensions} in a thought, then answer in words.",
        "Compare technique and delivery of A and B: {dimensions}.",
        "Tell me in detail which clip is better in {dimensions}.",
        "Take {dimensions} in turn and compare; close with a summary.",
        "Work out how the clips compare in {dimensions} and report.",
        "Review both clips against each other: {dimensions}.",
    ),
    "compare_question": (
        "Which clip is better in {label}, A or B?",
        "Which of the two clips is better in terms of {label}?",
        "Compare the {label} of clip A and clip B.",
        "Is A or B ahead in {label}?",
        "Which clip wins on {label}?",
        "In an A/B test of {label}, which clip would listeners prefer?",
        "Choose the clip with the better {label}.",
        "Where is the {label} better, in A or in B?",
    ),
    "suggest": (
        "What should be improved in this speech? One suggestion per line.",
        "Suggest how to make this clip better, line by line.",
        "Give advice for improving the speech. Find the weak points first.",
        "How can this recording be improved? List suggestions.",
        "Name the key areas to improve and give a suggestion for each.",
        "Please help the speaker do better: concrete suggestions, one per line.",
        "I want to fix this audio. What do you suggest?",
        "Which changes would help this speech most? Write one per line.",
        "Act as a coach and tell me what to work on.",
        "Act as a sound engineer and tell me how to repair this clip.",
        "Look for weaknesses, then propose a remedy for each of them.",
        "Propose improvements for the technique and the delivery.",
        "Write a to-do list that would raise the quality of this speech.",
        "What would you change about this recording, and how?",
        "Give feedback the speaker can act on, one point per line.",
        "Point out where this speech falls short and what to do about it.",
        "Our synthesiser made this. How do we improve it?",
        "Make suggestions for a second take.",
        "Which steps would bring this clip to an excellent level?",
        "Tell me the most useful improvements for this sample.",
        "Review the clip and recommend improvements, each on a line of its own.",
        "How do I get from this recording to a better one?",
    ),
    "detect": (
        "Is this speech real or fake?",
        "Decide whether a person or a machine speaks: real or fake.",
        "Was this voice recorded or generated? Say real or fake.",
        "Real or fake?",
        "Tell genuine speech from synthetic speech here; answer real or fake.",
        "Check this clip for signs of synthesis. Is it real or fake?",
        "Could this be a deepfake? Answer with real or fake.",
        "Please classify the voice as real or fake.",
        "A caller claims to be a person. Is the voice real or fake?",
        "Label this recording: real, if a human spoke it, or fake.",
        "Listen for traces of a vocoder and say real or fake.",
        "Judge the authenticity of the speech. The answer is real or fake.",
        "Does a living person speak here? Say real for yes and fake for no.",
        "One word, please: is the speech real or fake?",
        "I suspect voice cloning. Is this real or fake?",
        "Determine the origin of this voice: real (human) or fake (machine).",
        "Would you trust this voice? Say whether it is real or fake.",
        "Find out if the speech was synthesised: real or fake?",
        "As a forensic listener, call this clip real or fake.",
        "Human speech is real, generated speech is fake. Which one is this?",
        "Quick test of authenticity: real or fake?",
        "We screen audio for spoofing. Mark this one real or fake.",
    ),
    "detect_question": (
        "Is this speech fake?",
        "Was this voice made by a machine?",
        "Is the speech synthetic?",
        "Is this a deepfake?",
        "Did software generate this voice?",
        "Is this speech spoofed?",
    ),
    "rate": (
        "{definition} Rate the {label} from {low} to {high}: {ends}.",
        "Your task is to rate the {label}. {definition} The scale runs from {low} to {high}.",
        "Give a score of {label} between {low} and {high}, where {ends}.",
        "We judge {label} here. {definition} Use numbers from {low} to {high}.",
        "{label}: {ends}. Choose any value from {low} to {high}.",
        "Score the audio by this rule. {definition} Lowest score {low}, highest {high}.",
        "On a scale of {low} to {high}, {ends}. How is the {label}?",
        "Here is what counts: {definition} Answer from {low} to {high}.",
        "Please measure the {label} of the sound; {ends}.",
        "Think of a scale from {low} to {high} for {label}. On it, {ends}.",
        "You are asked for one number, the {label}. {definition} It lies between {low} and {high}.",
        "Rubric: {definition} Range: {low} to {high}.",
        "How would you rate the {label}? Note that {ends}.",
        "Rate by ear. {definition} {ends}.",
        "I want the {label} as a number ({low} to {high}). {ends}.",
        "Assign a value for {label}. {definition} Stay within {low} and {high}.",
        "Estimate what people would answer if asked about {label}, with {ends}.",
        "Follow this definition of {label}. {definition} The number goes from {low} to {high}.",
        "Only the {label} matters now: {ends}. Give a value.",
        "Attention to {label}, please. {definition} Minimum {low}, maximum {high}.",
        "A panel rates {label} from {low} to {high}; {ends}. Predict its mean.",
        "Evaluate {label} in the following sense. {definition} Values: {low} to {high}.",
    ),
    "rate_cues": (
        "Now give the score of this clip.",
        "The score of this audio is:",
        "Write the number for this sound.",
        "What number does it get?",
        "Your score, please.",
        "Answer with the score only.",
    ),
}

HELD_OUT = {
    "reference_notes": (
        "The reference shows how the degraded clip should sound; only the degraded clip is to be judged.",
        "Two versions of one recording are given, reference and degraded. Rate the degraded version.",
    ),
    "decide": (
        "What do you think of the {label}?",
        "Evaluate this audio for {label}.",
        "How would you describe the {label} of the speech?",
        "Determine the {label} of the clip.",
        "Where does this sample stand in {label}?",
        "I need a rating of the {label}.",
        "Say how people would vote on {label}.",
        "{label} of this file?",
    ),
    "score": (
        "How many points from {low} to {high} does the {label} deserve?",
        "Put a figure on the {label} of this speech sample, {low} to {high}.",
        "Tell me in one number between {low} and {high} what you think of the {label}. {definition}",
        "If {good_end} is perfect and the scale is {low} to {high}, where is the {label} of this recording?",
        "Numeric {label} estimate for this clip ({low} to {high}).",
        "Grade this audio for {label}; the lowest grade is {low} and the highest {high}.",
        "Would listeners like the {label} here? Answer with their likely mean from {low} to {high}.",
    ),
    "categorize": (
        "Which of the following best sums up the {label}: {levels}?",
        "Name the class of {label} this recording belongs to ({levels}).",
        "Give a word for the {label}; the choices are {levels}.",
        "If you had to tick one box for {label}, which would it be: {levels}?",
        "State the {label} as a category, using only {levels}.",
        "Select from {levels} to describe the {label} of this audio.",
    ),
    "profile": (
        "For each of {labels}, write the name and a score from {low} to {high}.",
        "Where does this clip stand on {labels}? Use {low} to {high}; {direction}.",
        "Complete rating, {low} to {high}, of the following: {labels}.",
        "Assess the sample with respect to {labels} and give every score on its own line ({low} to {high}).",
        "I am filling a table with {labels}. What are the entries for this audio, {low} to {high}?",
        "Estimate how listeners would mark {labels}, each between {low} and {high}.",
    ),
    "explain": (
        "Provide scores for {labels} between {low} and {high} and the grounds for them.",
        "Account for the quality of this recording: {labels} from {low} to {high}, then what caused it.",
        "Review this audio. I want {labels}, {low} to {high}, and what listeners would complain about.",
        "Can you say why this clip sounds good or bad? Scores for {labels} ({low} to {high}) first.",
        "Analyse the speech sample with {labels} on the {low} to {high} scale and write down the problems.",
        "State {labels} ({low} to {high}, {direction}) and back them up in words.",
    ),
    "describe": (
        "Produce a verbal impression of this speech that closes with its MOS.",
        "How would you describe this voice clip to someone who cannot hear it? End on the MOS.",
        "Draft a few lines about the listening quality, then state the MOS.",
        "Render the perceived quality in words; the final figure is the MOS.",
        "Talk me through the quality of this file and conclude with the mean opinion score.",
        "Compose a quality description whose last sentence gives the MOS.",
    ),
    "assess": (
        "Fill in {dimensions} for this utterance and comment on the whole.",
        "Analyse the speech thoroughly with respect to {dimensions}; end with a written verdict.",
        "Work out {dimensions} for yourself, then tell a layperson how the speech is.",
        "Provide an expert opinion on this voice, considering {dimensions}.",
        "Which impression does the speech make? Rate {dimensions} before you say so.",
        "Examine {dimensions} in turn. What follows for the speech as a whole?",
    ),
    "compare": (
        "Between A and B, where does your preference lie? Support it with {aspects}.",
        "Rank the two clips and mention the aspects out of {aspects} that matter.",
        "If only one of them could be kept, A or B? Discuss {aspects} first.",
        "Set the two recordings side by side with regard to {aspects}; who wins?",
        "Express a preference for one clip and justify it by {aspects}.",
        "Decide this duel of A and B. Criteria: {aspects}.",
    ),
    "compare_dimensions": (
        "Assess the differences between A and B with respect to {dimensions}.",
        "Write a comparative review of the two clips that rests on {dimensions}.",
        "Which clip prevails in each of {dimensions}? Put it into words as well.",
        "Line up A and B along {dimensions} and state what follows.",
        "Give your judgement of the pair for every one of {dimensions}, and an overview.",
        "Examine both utterances for {dimensions}; finish with a written comparison.",
    ),
    "compare_question": (
        "Whose {label} do you prefer, that of A or that of B?",
        "Pick a winner for {label}.",
        "Between A and B, which one convinces more in {label}?",
    ),
    "suggest": (
        "Draw up recommendations that would lift the quality of this utterance.",
        "If we recorded this again, what should be done differently?",
        "Offer practical tips for this speech, one on each line.",
        "Identify what holds this clip back and say how to overcome it.",
        "What advice would an expert give after hearing this?",
        "State the areas in need of work, then one remedy per line.",
    ),
    "detect": (
        "Which is it, real speech or a fake?",
        "State whether the utterance is real or a fake made by software.",
        "Authentic recording or imitation by a computer? Reply real or fake.",
        "For a security check, sort this voice under real or fake.",
        "Has artificial intelligence produced this voice? If so say fake, else real.",
        "Give your verdict on the genuineness of the clip: real or fake.",
    ),
    "detect_question": ("Is the voice artificial?", "Has this speech been generated?"),
    "rate": (
        "Consider the {label} of what you hear. {definition} Report it on a scale from {low} to {high}.",
        "If {ends}, what is the {label}?",
        "Apply this criterion to the sound: {definition} Scores may lie anywhere from {low} to {high}.",
        "Quantify the {label} between {low} and {high}. {ends}.",
        "The question is about {label}. {definition} Bounds of the answer: {low} and {high}.",
        "Grade the {label} as an examiner would; {ends}.",
    ),
    "rate_cues": ("State the resulting value.", "And the score?"),
}

TEXTS = {
    "higher_is_better": ("higher is better",),
    "except_for": (" except for {labels}",),
    "ends": ("{low} means {lowest} and {high} means {highest}",),
    "ends_middle": ("{low} means {lowest} and {high} means {highest}, {middle} being best",),
    "frames": (
        "I hear {cause}.",
        "The clip has {cause}.",
        "You can hear {cause}.",
        "The recording suffers from {cause}.",
        "One reason is {cause}.",
        "Listeners will notice {cause}.",
        "{cause} can be heard.",
    ),
    "verdicts": (
        "Overall the quality is {level}.",
        "All in all, the quality is {level}.",
        "The overall impression is {level}.",
        "So the quality as a whole is {level}.",
        "I call the overall quality {level}.",
    ),
    "rated": ('The {label} is rated "{level}".',),
    "described": ('The {label} is rated "{level}".', 'For {label} I say "{level}".'),
    "described_overall": (
        "The overall quality is {level}.",
        "On the whole the clip is {level}.",
        "The general impression is {level}.",
    ),
    "endings": (
        "The overall MOS is {mos}.",
        "I give it a MOS of {mos}.",
        "All in all, this makes a MOS of {mos}.",
        "Overall the MOS is {mos}.",
        "The MOS comes to {mos}.",
    ),
    "assess_header": ("One line for each dimension, with notes:",),
    "assessed_overall": (
        "The overall quality is {level}.",
        "This is speech of {level} quality.",
        "On the whole the quality is {level}.",
    ),
    "assessed_rate": ("The pace is {level}.", "The {label} is {level}."),
    "assessed_intelligibility": ("The words come across as {level}.",),
    "assessed_distortion": (
        "The speech is {level}.",
        "The sound is {level}.",
    ),
    "assessed_dynamic_range": ("The changes between soft and loud are {level}.",),
    "assessed_emotional_impact": ("In feeling the voice is {level}.",),
    "assessed_artistic_expression": ("The delivery is {level}.",),
    "assessed_subjective_experience": ("Listening is {level}.",),
    "clean": ("The clip is clean.", "I hear no fault."),
    "distortion_sentences": ("I hear {kind}{when}.", "I notice {kind}{when}.", "One can hear {kind}{when}."),
    "when": (" from {start} to {end} s",),
    "part": ("From {start} to {end}: ",),
    "emotions": ("The emotion is {emotion}.", "The tone of feeling is {emotion}.", "The mood is {emotion}."),
    "speakers": ("The voice is {speaker}.", "The speaker seems {speaker}.", "I take the speaker to be {speaker}."),
    "compare_header": ("Both clips, one line for each dimension:",),
    "anything": ("anything you notice",),
    "wins": (
        "{winner} is clearly better than {loser} in {aspects}.",
        "{winner} beats {loser} in {aspects}.",
        "{winner} has the advantage over {loser} in {aspects}.",
        "{winner} is ahead of {loser} in {aspects}.",
    ),
    "same": ("No aspect sets the two apart clearly.", "The clips hardly differ in any aspect."),
    "choices": ("I prefer {winner}.", "My choice is {winner}.", "Overall {winner} sounds better."),
    "ties": ("I have no preference.", "Overall neither wins.", "Both are equally good to me."),
    "verdict_a": ("A is better than B",),
    "verdict_b": ("B is better than A",),
    "verdict_tie": ("A and B are similar",),
    "tie_ending": (" in this aspect",),
    "distortion_details": ("Distortion Details",),
    "speaker_details": ("Subjective Experience Details",),
    "none": ("none",),
    "summary_a": ("On the whole A is better.", "A is the better clip.", "Taken together, A wins."),
    "summary_b": ("On the whole B is better.", "B is the better clip.", "Taken together, B wins."),
    "summary_tie": (
        "On the whole the clips are alike.",
        "Neither clip is better overall.",
        "Taken together, it is a draw.",
    ),
    "leads": ("{winner} leads in {aspects}.",),
    "alike": ("They are alike in {aspects}.",),
    "hears": ("In {clip} one hears {kinds}.",),
    "suggest_header": ("The dimensions with the lowest scores need work first.",),
    "areas": ("Key improvement areas",),
    "nothing_sounds": ("Nothing sounds in the clip, so there is no speech to judge.",),
    "no_advice": (
        "No improvement is needed.",
        "Keep it as it is; nothing needs to change.",
        "The clip is good as it stands.",
    ),
    "real": ("real",),
    "fake": ("fake",),
}

# Slight, clear and strong, of what cannot be counted, of one thing, of several, and of an adjective
_MASS = (("slight", "a little", "faint"), ("clear", "noticeable", "some"), ("strong", "heavy", "severe"))
_SINGULAR = (("a slight", "a faint"), ("a clear", "a noticeable"), ("a strong", "a severe"))
_PLURAL = (("a few",), ("several", "some"), ("many", "frequent"))
_DEGREE = (("slightly", "a little"), ("clearly", "noticeably"), ("far", "much"))


def _graded(
    *nouns: tuple[tuple[Texts, Texts, Texts], str],
) -> tuple[tuple[Texts, ...], tuple[Texts, ...], tuple[Texts, ...]]:
    # Phrases of each grade, a group for each noun: the degree stands before it, or at ``{degree}``

    def of(grade: int) -> tuple[Texts, ...]:
        return tuple(
            tuple(noun.replace("{degree}", one) if "{degree}" in noun else f"{one} {noun}" for one in degrees[grade])
            for degrees, noun in nouns
        )

    return of(0), of(1), of(2)


CAUSES = {
    "noise": CauseWords(
        _graded((_MASS, "background noise"), (_MASS, "noise in the background")),
        ("This covers the soft sounds.", "This lies under the voice."),
        r"(?:background|white) noise|noise in the background",
    ),
    "packet_loss": CauseWords(
        _graded((_PLURAL, "lost packets"), (_MASS, "packet loss")),
        ("This leaves holes in the words.", "Parts of words are missing."),
        r"lost packets|packet loss",
    ),
    "jitter": CauseWords(
        _graded((_MASS, "jitter"), (_PLURAL, "late packets")),
        ("This makes the speech stumble.", "The rhythm of the words is uneven."),
        r"jitter|late packets",
    ),
    "time_clipping": CauseWords(
        _graded((_PLURAL, "muted gaps"), (_PLURAL, "cut-off words")),
        ("Short pieces fall silent.", "Sounds stop all of a sudden."),
        r"muted gaps|cut-off words|time[ -]clipping",
    ),
    "band_limit": CauseWords(
        _graded((_MASS, "band limiting"), (_SINGULAR, "limit on the bandwidth")),
        ("A part of the spectrum is gone.", "The voice loses its fullness."),
        r"band[ -]limit(?:ing|ed)?|limit(?:ed|ing|s)?(?: on the)? bandwidth",
    ),
    "filter": CauseWords(
        _graded((_MASS, "filtering"), (_SINGULAR, "tilt of the spectrum")),
        ("This shifts the balance of the voice.", "Some tones stand out and others fade."),
        r"filter(?:ing|ed)?|tilt of the spectrum",
    ),
    "notch": CauseWords(
        _graded((_SINGULAR, "notch in the spectrum"), (_SINGULAR, "hole in the spectrum")),
        ("One range of tones is missing.", "The voice sounds hollow."),
        r"notch|hole in the spectrum",
    ),
    "codec": CauseWords(
        _graded((_MASS, "coding artefacts"), (_MASS, "codec distortion")),
        ("The voice was squeezed into too few bits.", "This makes the voice rough."),
        r"coding arte?i?facts|codec",
    ),
    "clipping": CauseWords(
        _graded((_MASS, "clipping"), (_PLURAL, "overloaded peaks")),
        ("The voice sounds harsh.", "The peaks of the wave are flat."),
        r"(?<!time )(?<!time-)clipping|overloaded peaks",
    ),
    "quantisation": CauseWords(
        _graded((_MASS, "quantisation distortion"), (_MASS, "rounding distortion")),
        ("The steps of the signal are coarse.", "The voice sounds grainy."),
        r"quanti[sz]ation|rounding distortion",
    ),
    "noise_suppression": CauseWords(
        _graded((_MASS, "noise suppression"), (_MASS, "noise reduction")),
        ("Parts of the voice were taken away, too.", "The voice sounds thin and watery."),
        r"noise[ -](?:suppression|reduction)",
    ),
    "vocoder": CauseWords(
        _graded((_SINGULAR, "vocoder sound"), (_SINGULAR, "machine sound")),
        ("The voice buzzes.", "The voice was built anew by a program."),
        r"vocoder|machine sound",
    ),
    "reverberation": CauseWords(
        _graded((_MASS, "reverberation"), (_MASS, "room sound")),
        ("The voice seems far away.", "The sounds run into each other."),
        r"reverb(?:eration)?|room sound",
    ),
    "echo": CauseWords(
        _graded((_SINGULAR, "echo"), (_SINGULAR, "repeat of the voice")),
        ("Words come back a moment later.", "The voice is heard twice."),
        r"echo(?:es)?|repeat of the voice",
    ),
    "channel": CauseWords(
        _graded((_SINGULAR, "phone sound"), (_SINGULAR, "call sound")),
        ("The speech came through a network.", "The voice sounds like a call."),
        r"phone sound|call sound",
    ),
    "clicks": CauseWords(
        _graded((_PLURAL, "clicks"), (_MASS, "crackle")),
        ("Short sharp sounds cut in.", "This distracts from the words."),
        r"clicks?|crackl(?:e|es|ing)",
    ),
    "level": CauseWords(
        _graded((_DEGREE, "speech that is {degree} {direction}"), (_DEGREE, "a voice that is {degree} {direction}")),
        ("Listeners will reach for the volume.", "This makes listening hard work."),
        r"too (?:quiet|loud)|off the right level",
    ),
    "pumping": CauseWords(
        _graded((_MASS, "pumping"), (_MASS, "unsteady gain")),
        ("The voice swells and sinks.", "The volume never rests."),
        r"pumping|unsteady gain",
    ),
    "speed": CauseWords(
        _graded((_DEGREE, "speech that is {degree} {direction}"), (_DEGREE, "playback that is {degree} {direction}")),
        ("The pitch is not the speaker's own.", "The pace is unnatural."),
        r"too (?:fast|slow)|off the right pace",
    ),
    "wow": CauseWords(
        _graded((_MASS, "wow"), (_MASS, "wavering of the pitch")),
        ("The pitch swings up and down.", "Held sounds waver."),
        r"wow|waver(?:ing|s)? of the pitch|pitch (?:wavers|wavering)",
    ),
}

DIMENSIONS = {
    "noisiness": (
        ("The voice drowns in noise.", "Noise covers most of the speech.", "The noise is very strong."),
        ("The speech is noisy.", "The noise is strong.", "Noise disturbs the voice."),
        ("There is some noise.", "The noise is easy to hear.", "The voice stays in front of the noise."),
        ("There is only a little noise.", "The noise is low.", "A trace of noise remains."),
        ("The speech is clean.", "There is no noise to hear.", "The voice is free of noise."),
    ),
    "coloration": (
        ("The voice sounds very unnatural.", "The timbre is very distorted.", "The sound of the voice is ruined."),
        ("The voice sounds unnatural.", "The timbre is distorted.", "The sound of the voice is changed a lot."),
        ("The voice is somewhat coloured.", "The timbre is changed.", "The voice is not quite natural."),
        ("The voice is almost natural.", "The timbre is changed a little.", "The voice is slightly coloured."),
        ("The voice sounds natural.", "The timbre is natural.", "The voice is not coloured."),
    ),
    "discontinuity": (
        ("The speech is broken into pieces.", "The speech is interrupted all the time.", "Many words are lost."),
        ("The speech is often interrupted.", "There are many breaks.", "Words are broken again and again."),
        ("The speech is interrupted at times.", "There are some breaks.", "Some words are broken."),
        ("There are very few breaks.", "The speech is almost unbroken.", "The speech is slightly interrupted."),
        ("The speech runs without breaks.", "Nothing interrupts the speech.", "The speech is unbroken."),
    ),
    "loudness": (
        ("The loudness is very unsuitable.", "The loudness is very wrong.", "The loudness does not suit at all."),
        ("The loudness is unsuitable.", "The loudness is wrong.", "The loudness does not suit."),
        ("The loudness is not quite right.", "The loudness is somewhat off.", "The loudness could suit more."),
        ("The loudness is almost right.", "The loudness is slightly off.", "The loudness suits most listeners."),
        ("The loudness is right.", "The loudness suits.", "The loudness is as it should be."),
    ),
}

# Level names of NISQA's dimensions are adjectives of the speech, the voice, or the loudness.
_DESCRIBED = {
    "noisiness": ("The speech is {level}.", "The clip is {level}.", "As to the background, it is {level}."),
    "coloration": ("The voice is {level}.", "The timbre is {level}.", "The sound of the voice is {level}."),
    "discontinuity": ("The flow of words is {level}.", "The speech is {level}.", "The sentences are {level}."),
    "loudness": ("The loudness is {level}.", "The volume is {level}.", "The level of the voice is {level}."),
}

_BETTER = "better|beats|advantage|ahead|outperforms|wins|superior"
_WORSE = "worse|inferior|behind"
_MUCH = "(?:slightly |clearly |much |somewhat )?"
_NOT_BEST = r"\b(?:not|neither|never|no)\b"

# How others speak of the aspects, of which a text model's descriptions are held against the ratings
_NOISE = r"background noises?|noise levels?|noises?|noisy|noisiness|hiss(?:es|ing|y)?|static|humm?(?:s|ing)?|buzz(?:es|ing)?|interference"
_BREAKS = (
    r"interruptions?|interrupted|interrupts|breaks?|broken(?: up)?|gaps?|drop-?outs?|choppy|choppiness|stutter(?:s|ing|ed)?|"
    r"discontinuit(?:y|ies)|discontinuous|disjointed|fragmented|jerky|cuts? out|cut-outs|skips?|disruptions?|disrupted|"
    r"disconnected|stop and go|hesitant|pauses"
)
_COLOURED = (
    r"colou?red|(?<!natural )colou?rations?|unnatural(?:ly|ness)?|artificial(?:ly)?|muffled|tinny|metallic|robotic|synthetic|hollow|dull|"
    r"boomy|harsh(?:ness)?|(?:distorted|altered|changed|affected) (?:timbre|tone|voice)|(?:timbre|tone|voice)(?: \w+)? (?:is|sounds) "
    r"(?:\w+ )?(?:distorted|altered|changed|off)"
)
_AT_LEVEL = r"(?:volume|loudness|(?:volume|loudness|sound|speech|voice|voice's) levels?)"
_IS = r"(?:is|was|are|were|sounds?|seems?|remains?|feels?|appears?)"
_HOW = r"(?:(?:a|far|much|too|very|extremely|overly|rather|quite|fairly|relatively|slightly|somewhat|bit|little|clearly|noticeably|so|excessively|on|the) )"
_OF_NOISE = r"(?! (?:background|noise|hiss|hum|static|environment|room|enough))"
CLAIMS = Claims(
    aspects={
        "mos": SpokenOf(
            faults=r"unclear|unpleasant|annoying|frustrating|tiring|tiresome|unintelligible|incomprehensible|unlistenable|"
            r"(?:low|poor|bad)[- ]quality|(?:hard|difficult|challenging|tough) to (?:understand|follow|hear|listen|make out|comprehend)",
            virtues=r"clear(?! (?:noise|signs?|interruptions?|breaks?|distortions?|colou?ration|that|problem|issue|lack))|crisp|pleasant|"
            r"enjoyable|high[- ]quality|good[- ]quality|easy to (?:understand|follow|listen)|intelligible|comprehensible|"
            r"(?:easily|readily) understood",
            subjects=r"(?:overall|general|sound|audio|speech|voice)? ?quality|overall|impression|listening experience|experience|clarity|"
            r"clip|recording|speech|audio|sounds|sound",
            worse=r"harder to (?:understand|follow|hear)|less pleasant|less clear",
            better=r"clearer|easier to (?:understand|follow|hear)|more pleasant",
        ),
        "noisiness": SpokenOf(
            faults=_NOISE,
            virtues=r"clean(?:ly|ness)?|noise-free|noiseless|(?:quiet|silent|clean|clear) background|background (?:is|was) (?:\w+ )?"
            r"(?:quiet|silent|clean|clear)",
            subjects=r"background|surroundings",
            worse=r"noisier",
            better=r"cleaner|quieter background|(?:less|lower|reduced|fewer) background noise",
        ),
        "discontinuity": SpokenOf(
            faults=_BREAKS,
            virtues=r"smooth(?:ly|ness)?|continuous(?:ly)?|uninterrupted|unbroken|seamless(?:ly)?|fluid(?:ly)?|fluent(?:ly)?|steady flow",
            subjects=r"continuity|flow|delivery",
            worse=r"choppier|more (?:choppy|broken)",
            better=r"smoother|less (?:choppy|broken)|more (?:fluid|fluent|continuous)",
        ),
        "coloration": SpokenOf(
            faults=_COLOURED,
            virtues=r"natural(?:ly|ness)?(?! flow)|uncolou?red|true to life|lifelike|authentic|undistorted",
            subjects=r"timbre|tone|sound of the voice|tonal balance",
            worse=r"more (?:muffled|unnatural)|duller",
            better=r"fuller|warmer|more natural",
        ),
        "distortion": SpokenOf(
            faults=r"distort(?:ed|s|ions?|ing)", virtues=r"distortion-free", subjects=NEVER, worse=NEVER, better=NEVER
        ),
        "loudness": SpokenOf(
            faults=r"unsuitable|(?:wrong|unsuitable|inappropriate|inadequate|unsuited|poor|bad|uncomfortable) "
            rf"{_AT_LEVEL}|{_AT_LEVEL} (?:\w+ )?{_IS} (?:\w+ )?(?:not right|not quite right|wrong|off|inappropriate|inadequate|uncomfortable)|"
            r"does not suit",
            virtues=r"just right|suitable|appropriate|(?:comfortable|pleasant|adequate|balanced|suitable|appropriate|right|proper) "
            rf"{_AT_LEVEL}|{_AT_LEVEL} (?:\w+ )?{_IS} (?:\w+ )?(?:right|comfortable|balanced|adequate|fitting)|suits(?! most)",
            subjects=rf"(?:the )?{_AT_LEVEL}",
            worse=NEVER,
            better=NEVER,
        ),
    },
    low=rf"(?:{_HOW}*(?:quiet|faint|hushed|soft){_OF_NOISE}|{_HOW}*low {_AT_LEVEL}|{_AT_LEVEL} (?:of the \w+ )?{_IS} {_HOW}*(?:low|weak|soft|quiet|faint)|"
    r"too (?:low|quiet|soft|faint)|not loud enough|inaudible|quieter|softer)",
    high=rf"(?:{_HOW}*loud{_OF_NOISE}|{_HOW}*high {_AT_LEVEL}|{_AT_LEVEL} (?:of the \w+ )?{_IS} {_HOW}*(?:high|loud)|too (?:loud|high)|"
    r"deafening|blaring|louder)",
    degrees={
        "hardly": r"hardly|barely|scarcely|almost no|nearly no|virtually no|minimal|minimally|negligible|next to no|(?<!a )little|"
        r"(?:very|so) (?:few|slight|slightly|faint|faintly|low)|(?<!a )few|trace|hint",
        "slight": r"slight|slightly|a little|a bit|faint|faintly|minor|mild|mildly|low|subtle|light|a few|occasional|occasionally|"
        r"a touch|weak|only|small|now and then",
        "some": r"some|somewhat|not quite|not entirely|not fully|moderate|moderately|noticeable|noticeably|audible|rather|fairly|certain|partly|relatively|sometimes|"
        r"at times|several|partially",
        "strong": r"very|extremely|highly|heavy|heavily|severe|severely|strong|strongly|terribly|excessive|excessively|significant|"
        r"significantly|considerable|considerably|constant|constantly|overwhelming|intense|loud|massive|much|too|high|many|all the time|"
        r"frequent|frequently|completely|totally|drowns",
        "slightly": r"slightly|somewhat|rather|a little|a bit|a touch",
        "greatly": r"very|extremely|far|much|so|excessively|terribly|overly",
        "mostly": r"mostly|fairly|relatively|largely|nearly|almost|generally|reasonably|quite|rather|pretty|for the most part|decently",
        "fully": r"fully|entirely|completely|perfectly|very|totally|absolutely|always|exceptionally|remarkably|crystal|wholly|all",
        "excellent": r"excellent|outstanding|superb|great|pristine|perfect|exceptional|flawless|ideal",
        "good": r"good|nice|fine|pleasant|enjoyable|satisfying|impressive|high|solid",
        "fair": r"fair|acceptable|decent|average|moderate|mediocre|okay|ok|adequate|satisfactory|passable|middling|tolerable|mixed",
        "poor": r"poor|low|unsatisfactory|subpar|sub-par|disappointing|bad|lacking|unpleasant|inferior|compromised|degraded",
        "terrible": r"terrible|awful|horrible|(?:very|extremely) (?:bad|poor|low)|dreadful|atrocious|abysmal|unbearable",
    },
    more=r"more|higher|greater|stronger|increased|worse|heavier|louder|better",
    less=r"less|fewer|lower|reduced|weaker|lighter|minimal",
    preferred=r"better|advantage|leads|superior|preferable|preferred|wins|ahead|beats|outperforms|improved|higher(?=[ -]quality)|more suitable",
    inferior=r"worse|inferior|poorer|loses|behind|less suitable",
    # "no noise, gaps, or hum" denies all three; "not natural and noisy" only the first
    denied=r"\b(?:no|without|free (?:of|from)|devoid of|lack(?:s|ing)?(?: of)?|absence of|neither|nor|zero|nothing|none of)\b"
    r"(?:[\s,]+(?!(?:is|are|was|has|have|which|that|makes?|making|due|sounds?|because|only)\b)[\w'/-]+){0,6}[\s,]*\Z"
    r"|(?:\b(?:not|never|cannot|far from)\b|n't\b)(?:\s+(?!(?:is|are|was|has|have|which|that|and|due|sounds?|only|because)\b)[\w'/-]+){0,4}\s*\Z",
    absent=r"\b(?:absent|gone|non-?existent|inaudible|(?:not|n't|hardly|barely) (?:\w+ )?(?:audible|present|noticeable|heard|there))\b",
    breaks=r"[;:()]|--|—|[.!?](?!\d)|\b(?:but|however|although|though|while|whereas|yet|despite|except|because|since|so that)\b|"
    r",?\s*\band\s+(?=(?:the|it|its|there|has|is|was|sounds|they|this|speech[ab]|a voice)\b)|,\s*(?:which|making|with|as)\b",
    links=r"(?:\s+(?:levels?|itself|here|(?:of|in|behind|on|to) (?:the |this |its )?[\w']+))*\s+(?:is|are|was|were|remains?|seems?|being|sounds?|"
    r"stays?|appears?|feels?)\b",
    clip=r"\b(?:speech|clip|sample|recording)\s*([ab])\b|\b([AB])\b(?='s\b|\s+(?:is|was|has|had|sounds?|wins|beats)\b)",
    standard=r"(?:\bthan|\bahead of|\bbehind|\bcompared (?:to|with)|\bover|\bunlike|\bbeats|\bversus|\bvs\.?|\bprefers?|\bto)(?:\s+(?:that|those) of)?\s+\Z",
    regarding=r"(?:in|for|regarding|as to)\b",
    trailing=r"\s*(?:at times|a little|a bit|all the time|again and again|now and then|sometimes|in places)\b",
    mentions=r"\b(?:the|this|these|that|those|such|its|any|despite)(?: \w+)?\s*\Z",
    supposed=r"\b(?:could|should|would|might|may|if|can be improved|need(?:s|ed)? to)\b",
)

# fmt: off
ASKED = Asked(
    frames=(
        "{}",
        "is there {}",
        "is there any {}",
        "are there {}",
        "are there any {}",
        "do you hear {}",
        "do you hear any {}",
        "can you hear {}",
        "can you hear any {}",
        "can {} be heard",
        "is {} audible",
        "are {} audible",
        "does it have {}",
        "does it contain {}",
    ),
    things={
        "noise": ("noise", "background noise", "noise in the background", "background noises", "noise behind it"),
        "dropouts": (
            "dropouts", "drop-outs", "a dropout", "gaps", "a gap", "interruptions", "an interruption", "speech dropouts", "audio dropouts",
            "signal dropouts", "gaps in it", "missing parts", "a gap in it",
        ),
        "packet_loss": ("packet loss", "packet losses", "lost packets"),
        "band_limit": ("a band limit", "a bandwidth limit", "a limited bandwidth", "band limitation", "bandwidth limitation"),
        "codec": (
            "coding distortion", "codec distortion", "coding artefacts", "coding artifacts", "codec artefacts", "codec artifacts",
            "compression artefacts", "compression artifacts", "audible coding distortion",
        ),
        "clipping": ("clipping", "digital clipping", "clipped peaks", "clipped samples"),
        "level": ("a wrong level",),
        "reverberation": ("reverberation", "reverb", "room reverberation", "much reverberation", "much reverb", "room sound"),
        "noise_suppression": (
            "traces of noise reduction", "noise suppression artefacts", "noise suppression artifacts", "noise reduction artefacts",
            "noise reduction artifacts",
        ),
        "vocoder": ("vocoder artefacts", "vocoder artifacts", "traces of a vocoder"),
        "clicks": ("clicks", "a click", "clicking", "crackling", "crackles", "crackle", "clicks or crackling"),
        "quantisation": ("quantisation noise", "quantization noise", "coarse quantisation", "coarse quantization"),
        "noise_bursts": ("a burst of noise", "bursts of noise", "noise bursts", "a noise burst"),
        "level_changes": ("a change of level", "changes of level", "level changes", "jumps in loudness", "level jumps"),
    },
    whole={
        "noise": ("is it noisy", "does it sound noisy", "is noise heard", "is it disturbed by noise"),
        "dropouts": ("does it drop out", "does it cut out", "is it interrupted", "is it cut out", "are parts of it missing",
                     "is part of it missing", "does it have gaps in it"),
        "packet_loss": ("were packets lost", "did packets get lost"),
        "band_limit": ("is it band-limited", "is it bandlimited", "is its bandwidth limited"),
        "clipping": ("is it clipped", "does it clip", "is it clipping"),
        "level": ("is it too quiet or too loud", "is it too loud or too quiet", "is its level wrong"),
        "reverberation": ("is it reverberant", "does it sound reverberant"),
        "time_clipping": ("are words cut off", "are parts of the words cut off"),
        "vocoder": ("does it sound metallic or synthetic",),
        "jitter": ("does it stutter", "is its timing uneven"),
        "quantisation": ("is it coarsely quantized",),
        "speed": ("is its speed wrong", "is it too fast or too slow", "is it too slow or too fast"),
        "fake": (
            "is it fake", "is it a fake", "is it synthetic", "is it a deepfake", "was it made by a machine", "is it artificial",
            "is it generated", "is it ai-generated", "was it generated by ai", "is it spoofed", "has it been generated", "was it generated",
        ),
    },
    beside=r"\b(?:in|on|of|from) (?:the|this) (?:recording|clip|audio|file|sample|signal|call|sound)\b|\bplease\b",
    subjects=r"\b(?:the|this) (?:speech|voice|recording|clip|audio|file|sample|signal|sound|call)\b|\bthis(?= (?:a )?(?:fake|deepfake|synthetic))",
    it="it",
)
# fmt: on

LANGUAGE = Language(
    code="en",
    name="English",
    marks={
        "colon": ": ",
        "comma": ", ",
        "and": " and ",
        "series": " and ",
        "semicolon": "; ",
        "open": " (",
        "close": ")",
        "space": " ",
        "decimal": ".",
    },
    patterns={
        "clause_end": NEVER,
        "real": r"real(?!-)|bona[- ]?fide|genuine|authentic|human(?![- ]like)",
        "fake": r"fake|spoof(?:ed)?|deep[- ]?fake|synthetic|synthesi[sz]ed|generated|artificial|text[- ]to[- ]speech|machine[- ]made",
        "too_quiet": CLAIMS.low,
        "too_loud": CLAIMS.high,
        "judged": rf"\b{CLIP}\b.*?\b(?:(?P<better>{_BETTER})|(?P<worse>{_WORSE}))\b",
        "reversed": NEVER,
        "verdict_a": rf"a is {_MUCH}better than b|b is {_MUCH}worse than a|a is {_MUCH}better|a",
        "verdict_b": rf"b is {_MUCH}better than a|a is {_MUCH}worse than b|b is {_MUCH}better|b",
        "verdict_tie": r"(?:a (?:and|&) b are |both are |they are )?(?:similar|equal|alike|the same)|tie",
    },
    # How far a denial reaches, a few words or a clause, is written in the patterns
    denials={
        "cause": (r"\b(?:no|not|without|never|free (?:of|from))\s+(?:[\w-]+\s+){0,3}$", NEVER),
        "level": (
            r"\b(?:not|never|neither|nor|hardly|no|isn['’]t|wouldn['’]t|cannot|can['’]t|don['’]t|far from|if)\b[^.;:,!?]*\Z"
            r"|\b(?:less|more|better|worse|higher|lower) than (?:an? )?\Z"
            r"|\b(?:very|extremely|exceptionally|incredibly|remarkably|almost|nearly) \Z",
            # Behind a level, what it says something else of: "a fair amount of noise", "a poor microphone"
            r"\A[^.;:,!?]*\bif\b|\A\s+(?!(?:quality|overall|on|in|for|with|without|because|since|as|to|at|level|category|speech|recording|clip"
            r"|sound|audio|but|though|although|and|or|here|indeed|despite|due|out|than|enough|so|while)\b)[a-z]",
        ),
        "verdict": (
            r"(?:\b(?:not|never|neither|nor|hardly|no|cannot|unsure|whether|if|may|might|could|unlikely|doubt)\b|n['’]t\b|%)[^.;:,!?\n]*\Z",
            r"\A[^.;:,!?\n]*(?:%|\bif\b)",
        ),
        "winner": (_NOT_BEST, _NOT_BEST),
    },
    numbers=(),
    rubrics=RUBRICS,
    phrasings=PHRASINGS,
    held_out=HELD_OUT,
    texts=TEXTS,
    names={
        "distortions": {
            "artifacts": "artifacts",
            "jitter": "jitter",
            "timbre & quality": "timbre & quality",
            "background noise": "background noise",
            "drop / missing": "drop / missing",
        },
        "heard": {
            "artifacts": "artifacts",
            "jitter": "jitter",
            "timbre & quality": "a changed timbre",
            "background noise": "background noise",
            "drop / missing": "missing parts",
        },
        "genders": {"male": "male", "female": "female", "unclear": "unclear"},
        "titles": {
            "mos": "Overall Quality",
            "intelligibility": "Intelligibility",
            "distortion": "Distortion",
            "speech_rate": "Speech Rate",
            "dynamic_range": "Dynamic Range",
            "emotional_impact": "Emotional Impact",
            "artistic_expression": "Artistic Expression",
            "subjective_experience": "Subjective Experience",
        },
    },
    directions={
        "level": ("too quiet", "too loud", "off the right level"),
        "speed": ("too slow", "too fast", "off the right pace"),
    },
    dimensions=DIMENSIONS,
    descriptions={
        name: tuple(tuple(frame.replace("{level}", level) for frame in frames) for level in RUBRICS[name].levels)
        for name, frames in _DESCRIBED.items()
    },
    causes=CAUSES,
    advice={
        "mos": (
            "Record again in a quiet room with a better microphone.",
            "Check the whole chain from microphone to file.",
            "Start from a cleaner source if there is one.",
        ),
        "intelligibility": (
            "Articulate the consonants more clearly.",
            "Speak the ends of the words fully.",
            "Raise the voice above everything else in the mix.",
        ),
        "distortion": (
            "Lower the input gain and avoid heavy processing.",
            "Use a codec with a higher bit rate.",
            "Remove what distorts the signal before any other step.",
        ),
        "speech_rate": (
            "Bring the pace closer to that of a calm talk.",
            "Adjust the speed and leave short pauses between phrases.",
            "Practise with a steady beat to find a fitting pace.",
        ),
        "dynamic_range": (
            "Let loud and soft passages alternate more smoothly.",
            "Ease the compression so that the voice can breathe.",
            "Even out sudden jumps in volume.",
        ),
        "emotional_impact": (
            "Put more feeling into the important words.",
            "Think of a listener you care about while speaking.",
            "Let the voice follow the mood of the text.",
        ),
        "artistic_expression": (
            "Vary melody and rhythm to shape each phrase.",
            "Place the stress with more intention.",
            "Use pauses as a means of expression.",
        ),
        "subjective_experience": (
            "Aim for a warmer and more relaxed voice.",
            "Soften harsh sounds to make listening pleasant.",
            "Come a little closer to the microphone for a fuller tone.",
        ),
    },
    distortion_advice={
        "artifacts": (
            "Avoid repeated coding, which leaves artifacts.",
            "Lessen the noise reduction to avoid artifacts.",
        ),
        "jitter": ("Use a larger jitter buffer or a stable connection.", "Repair the uneven timing of the signal."),
        "timbre & quality": ("Undo the filtering that changes the timbre.", "Use a microphone with a flat response."),
        "background noise": ("Move away from the source of the noise.", "Reduce the background noise gently."),
        "drop / missing": ("Record the missing parts again.", "Use a connection that loses no packets."),
        # No types of distortion of SpeechEval's, but faults that have a remedy of their own
        "level": (
            "Bring the level to that of ordinary speech recordings.",
            "Set the gain so that the speech is neither too quiet nor too loud.",
        ),
        "clipping": (
            "Lower the recording level so that no peak is cut off.",
            "Set the input gain 6 to 12 dB lower and record again.",
        ),
        "codec": (
            "Code the speech once only, at a higher bit rate.",
            "Choose a codec that is made for speech at this rate.",
        ),
        "noise suppression": (
            "Lessen the noise reduction, which harms the voice.",
            "Suppress the noise by 10 dB at most, and keep the voice.",
        ),
        "reverberation": (
            "Come closer to the microphone, so that less of the room is heard.",
            "Damp the room with curtains or carpets.",
        ),
        "echo": ("Use headphones, or an echo canceller.", "Keep the loudspeaker away from the microphone."),
        "clicks": (
            "Look for where the clicks come from: a loose plug, or buffers that run empty.",
            "Repair the clicks with a declicker.",
        ),
        "band limit": (
            "Send the speech over a wideband connection.",
            "Record at 16 kHz or more, and leave the high frequencies in.",
        ),
    },
    asked=ASKED,
    claims=CLAIMS,
)
