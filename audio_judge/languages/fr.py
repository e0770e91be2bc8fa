"""French. Decimals in sentences take a comma; numbers that stand alone keep the point, as in every language here."""

from audio_judge.languages.patterns import CLAUSE_END, judged_anywhere
from audio_judge.languages.words import Asked, CauseWords, Language, RubricWords

_N = r"[0-9]+(?:[.,][0-9]+)?"

RUBRICS = {
    "mos": RubricWords(
        "qualité globale",
        ("mauvaise", "médiocre", "passable", "bonne", "excellente"),
        "Dans quelle mesure la parole sonne bien dans l'ensemble : la note la plus haute veut dire excellente, la plus basse "
        "mauvaise.",
        ("Comment sonne la parole dans l'ensemble ?", "Quelle est la qualité globale de cet extrait ?"),
    ),
    "noisiness": RubricWords(
        "bruit",
        ("très bruité", "bruité", "assez bruité", "légèrement bruité", "sans bruit"),
        "Dans quelle mesure la parole est exempte de bruit : la note la plus haute veut dire sans bruit, la plus basse très "
        "bruité.",
        ("Y a-t-il beaucoup de bruit ?", "La parole est-elle bruitée ?"),
    ),
    "coloration": RubricWords(
        "coloration",
        ("très coloré", "coloré", "assez coloré", "légèrement coloré", "non coloré"),
        "Dans quelle mesure le timbre de la parole est naturel : la note la plus haute veut dire non coloré, la plus basse "
        "très coloré.",
        ("La voix est-elle colorée ?", "Le timbre de la voix est-il naturel ?"),
    ),
    "discontinuity": RubricWords(
        "discontinuité",
        ("très haché", "haché", "assez haché", "légèrement haché", "ininterrompu"),
        "Dans quelle mesure la parole s'écoule sans coupure : la note la plus haute veut dire ininterrompu, la plus basse "
        "très haché.",
        ("La parole est-elle hachée ?", "La parole s'écoule-t-elle sans coupure ?"),
    ),
    "loudness": RubricWords(
        "niveau sonore",
        ("très inadapté", "inadapté", "assez inadapté", "légèrement inadapté", "juste comme il faut"),
        "Dans quelle mesure le niveau sonore convient à l'auditeur : la note la plus haute veut dire juste comme il faut, la "
        "plus basse très inadapté, qu'il soit trop faible ou trop fort.",
        ("Le niveau sonore convient-il ?", "Le volume de la parole est-il bien réglé ?"),
    ),
    "intelligibility": RubricWords(
        "intelligibilité",
        (
            "incompréhensible",
            "difficile à suivre",
            "clair par endroits",
            "clair en majeure partie",
            "compris sans effort",
        ),
        "Dans quelle mesure les mots se comprennent facilement : la note la plus haute veut dire compris sans effort, la plus "
        "basse incompréhensible.",
        ("Les mots se comprennent-ils bien ?", "La parole est-elle intelligible ?"),
    ),
    "distortion": RubricWords(
        "distorsion",
        ("très déformé", "déformé", "assez déformé", "légèrement déformé", "intact de toute distorsion"),
        "Dans quelle mesure la parole est exempte de distorsion, de bruit et de pertes : la note la plus haute veut dire "
        "intact de toute distorsion, la plus basse très déformé.",
        ("La parole est-elle déformée ?", "Y a-t-il beaucoup de distorsion ?"),
    ),
    "speech_rate": RubricWords(
        "débit de parole",
        ("lent", "un peu lent", "approprié", "un peu rapide", "rapide"),
        "À quelle vitesse la personne parle : la note la plus haute veut dire rapide, la plus basse lent, et le milieu "
        "convient le mieux.",
        ("À quelle vitesse la personne parle-t-elle ?", "Le débit est-il approprié ?"),
    ),
    "dynamic_range": RubricWords(
        "dynamique",
        ("plat ou désordonné", "irrégulier", "acceptable", "souple", "vivant"),
        "Dans quelle mesure les passages doux et forts alternent naturellement : la note la plus haute veut dire vivant, la "
        "plus basse plat ou désordonné.",
        ("Les passages doux et forts alternent-ils naturellement ?",),
    ),
    "emotional_impact": RubricWords(
        "impact émotionnel",
        ("inexpressif", "faible", "modéré", "touchant", "saisissant"),
        "Avec quelle force l'émotion de la voix atteint l'auditeur : la note la plus haute veut dire saisissant, la plus basse "
        "inexpressif.",
        ("Quelle émotion la voix transmet-elle ?",),
    ),
    "artistic_expression": RubricWords(
        "expression artistique",
        ("mécanique", "sans relief", "convenable", "habile", "magistral"),
        "Avec quel art le rythme, l'accent et la mélodie sont employés : la note la plus haute veut dire magistral, la plus "
        "basse mécanique.",
        ("La diction est-elle expressive ?",),
    ),
    "subjective_experience": RubricWords(
        "agrément d'écoute",
        ("insupportable", "désagréable", "neutre", "agréable", "délicieux"),
        "À quel point l'écoute est plaisante : la note la plus haute veut dire délicieux, la plus basse insupportable.",
        ("L'écoute est-elle agréable ?",),
    ),
    "speed": RubricWords(
        "vitesse d'élocution",
        ("trop lente", "plutôt lente", "comme il faut", "plutôt rapide", "trop rapide"),
        "À quelle vitesse va la parole : la note la plus haute veut dire trop rapide, la plus basse trop lente, et le milieu "
        "convient le mieux.",
        ("À quelle vitesse va la parole ?",),
    ),
    "naturalness": RubricWords(
        "naturel de la voix",
        ("artificiel", "surtout artificiel", "entre les deux", "surtout humain", "humain"),
        "Dans quelle mesure la voix ressemble à celle d'une vraie personne : la note la plus haute veut dire humain, la plus "
        "basse artificiel.",
        ("La voix sonne-t-elle naturelle ?", "Croit-on entendre une vraie personne ?"),
    ),
    "background_noise": RubricWords(
        "bruit de fond",
        ("bruit envahissant", "fort bruit", "bruit modéré", "bruit discret", "silencieux"),
        "À quel point le fond est calme : la note la plus haute veut dire silencieux, la plus basse bruit envahissant.",
        ("Le fond est-il calme ?",),
    ),
    "distortion_level": RubricWords(
        "état de la voix",
        ("détruite", "abîmée", "rêche", "presque intacte", "intacte"),
        "À quel point la voix elle-même est propre, hors du fond : la note la plus haute veut dire intacte, la plus basse "
        "détruite.",
        ("La voix elle-même est-elle propre ?",),
    ),
    "listening_effort": RubricWords(
        "effort d'écoute",
        ("effort vain", "grand effort", "effort moyen", "petit effort", "aucun effort"),
        "À quel point on comprend sans se fatiguer : la note la plus haute veut dire aucun effort, la plus basse effort vain.",
        ("Quel effort l'écoute demande-t-elle ?",),
    ),
    "continuity": RubricWords(
        "continuité",
        ("morcelé", "souvent coupé", "parfois coupé", "presque fluide", "fluide"),
        "À quel point la parole s'écoule sans pertes ni pauses étranges : la note la plus haute veut dire fluide, la plus "
        "basse morcelé.",
        ("La parole est-elle fluide ?",),
    ),
    "production_quality": RubricWords(
        "qualité de production",
        ("inutilisable", "amateur", "correcte", "professionnelle", "irréprochable"),
        "À quel point le son est bien réalisé sur le plan technique : la note la plus haute veut dire irréprochable, la plus "
        "basse inutilisable.",
        ("Ce son est-il bien produit ?",),
    ),
    "production_complexity": RubricWords(
        "complexité de production",
        ("une seule source", "clairsemée", "moyenne", "riche", "très riche"),
        "Combien de sources et de couches sonores il y a : la note la plus haute veut dire très riche, la plus basse une seule "
        "source.",
        ("La scène sonore est-elle complexe ?",),
    ),
    "content_enjoyment": RubricWords(
        "plaisir du contenu",
        ("affreux", "ennuyeux", "convenable", "plaisant", "merveilleux"),
        "À quel point on aime ce qu'on entend, par goût et comme art : la note la plus haute veut dire merveilleux, la plus "
        "basse affreux.",
        ("Est-ce plaisant à entendre ?",),
    ),
    "content_usefulness": RubricWords(
        "utilité du contenu",
        ("inutile", "peu utile", "exploitable", "utile", "idéal"),
        "À quel point le son peut servir de matériau à une œuvre nouvelle : la note la plus haute veut dire idéal, la plus "
        "basse inutile.",
        ("Ce son est-il utile comme matériau ?",),
    ),
    "child_voice": RubricWords(
        "voix d'enfant",
        ("adulte", "enfant"),
        "Si la personne qui parle est un enfant : la note la plus haute veut dire enfant, la plus basse adulte.",
        ("Est-ce un enfant qui parle ?",),
    ),
    "whispering": RubricWords(
        "chuchotement",
        ("voisé", "chuchoté"),
        "Si la manière de parler est un chuchotement : la note la plus haute veut dire chuchoté, la plus basse voisé.",
        ("La personne chuchote-t-elle ?",),
    ),
    "reverberation": RubricWords(
        "réverbération",
        ("mat", "légèrement réverbéré", "assez réverbéré", "réverbéré", "très réverbéré"),
        "À quel point on entend la pièce : la note la plus haute veut dire très réverbéré, la plus basse mat.",
        ("L'enregistrement est-il réverbérant ?",),
    ),
    "music_distortion": RubricWords(
        "perturbation de la musique",
        ("non perturbée", "légèrement perturbée", "assez perturbée", "perturbée", "très perturbée"),
        "À quel point des sons étrangers gênent la musique : la note la plus haute veut dire très perturbée, la plus basse non "
        "perturbée.",
        ("Des sons étrangers gênent-ils la musique ?",),
    ),
    "sudden_silence": RubricWords(
        "silence soudain",
        ("pas du tout", "une petite partie", "une partie", "une grande partie", "presque tout"),
        "Quelle part de l'extrait devient soudain muette : la note la plus haute veut dire presque tout, la plus basse pas du "
        "tout.",
        ("Quelle part de l'extrait devient soudain muette ?",),
    ),
    "fluency": RubricWords(
        "aisance à l'oral",
        ("sans cesse arrêtée", "souvent coupée", "hésitante", "presque coulante", "tout à fait coulante"),
        "Avec quelle aisance la personne dit la phrase : la note la plus haute veut dire tout à fait coulante, la plus basse "
        "sans cesse arrêtée.",
        ("La personne parle-t-elle avec aisance ?", "La phrase coule-t-elle sans hésitations ni reprises ?"),
    ),
    "prosody": RubricWords(
        "prosodie",
        ("en morceaux", "sans rythme", "irrégulière", "presque native", "vivante et native"),
        "Dans quelle mesure la mélodie, l'accent, le rythme et l'allure de la phrase sont justes : la note la plus haute veut "
        "dire vivante et native, la plus basse en morceaux.",
        ("Le rythme et la mélodie de la phrase sont-ils justes ?", "L'intonation est-elle celle d'un natif ?"),
    ),
    "accuracy": RubricWords(
        "justesse de la prononciation",
        ("presque rien de juste", "fautes graves", "beaucoup de fautes", "peu de fautes", "aucune faute"),
        "Dans quelle mesure les sons des mots sont justes : la note la plus haute veut dire aucune faute, la plus basse presque "
        "rien de juste.",
        ("Les mots sont-ils bien prononcés ?", "Combien y a-t-il de fautes de prononciation ?"),
    ),
    "completeness": RubricWords(
        "phrase complète",
        ("aucun mot", "un quart des mots", "la moitié des mots", "trois quarts des mots", "tous les mots"),
        "Quelle part des mots de la phrase est là et bien dite : la note la plus haute veut dire tous les mots, la plus basse "
        "aucun mot.",
        ("Quelle part de la phrase a été bien dite ?", "Tous les mots sont-ils là ?"),
    ),
    "total": RubricWords(
        "niveau à l'oral",
        ("très faible", "faible", "satisfaisant", "fort", "très fort"),
        "À quel niveau la phrase est dite en tout, au regard d'un natif : la note la plus haute veut dire très fort, la plus "
        "basse très faible.",
        ("Cette personne parle-t-elle bien la langue ?", "Quelle note un examinateur donnerait-il à toute la phrase ?"),
    ),
    "word_intelligibility": RubricWords(
        "reconnaissance du mot",
        ("mot mal entendu", "mot reconnu"),
        "Quelle part des auditeurs écrirait le mot prononcé, malgré le bruit : la note la plus haute veut dire mot reconnu par "
        "tous, la plus basse mot mal entendu par tous.",
        ("Un auditeur reconnaîtrait-il ce mot ?", "Peut-on reconnaître le mot dans le bruit ?"),
    ),
}

PHRASINGS = {
    "reference_notes": (
        "Vous entendez l'extrait dégradé et sa référence propre ; jugez l'extrait dégradé.",
        "Une référence propre accompagne l'extrait dégradé : comparez, mais jugez l'extrait dégradé.",
    ),
    "decide": (
        "Comment jugez-vous cet extrait pour le critère « {label} » ?",
        "Évaluez le critère « {label} » de la parole.",
        "Quel niveau convient pour « {label} » ?",
        "Que diraient des auditeurs au sujet du critère « {label} » ?",
        "{label} : quel niveau convient le mieux ?",
    ),
    "score": (
        "Notez cet extrait de {low} à {high} pour le critère « {label} ».",
        "{definition} Donnez une note entre {low} et {high} pour « {label} ».",
        "Sur une échelle de {low} à {high}, où {good_end} est le mieux, quelle est la note pour « {label} » ?",
        "Un seul nombre, s'il vous plaît : {label}, de {low} à {high}.",
        "Estimez la note moyenne des auditeurs pour « {label} » ({low} à {high}).",
    ),
    "categorize": (
        "Quel niveau convient à cet extrait pour « {label} » : {levels} ?",
        "Décrivez le critère « {label} » par un de ces termes : {levels}.",
        "{definition} Choisissez le niveau qui convient pour « {label} » : {levels}.",
        "Évaluez « {label} » avec des mots. Les mots possibles sont : {levels}.",
    ),
    "profile": (
        "Notez de {low} à {high}, une ligne par critère : {labels}.",
        "Donnez le profil de cet extrait : {labels}. Échelle de {low} à {high}, {direction}.",
        "Quelles notes, de {low} à {high}, donnez-vous à cet enregistrement pour ces critères : {labels} ?",
        "Fiche de notation ({low} à {high}, {direction}) : {labels}.",
    ),
    "explain": (
        "Expliquez la qualité de cet extrait : d'abord les notes ({labels}, de {low} à {high}), puis les raisons.",
        "Qu'est-ce qui ne va pas dans cet enregistrement ? Notez ces critères de {low} à {high} et dites pourquoi : {labels}.",
        "Notez entre {low} et {high} les critères suivants : {labels}. Donnez ensuite les causes et un verdict.",
        "En ingénieur du son, diagnostiquez cette parole : {labels}, de {low} à {high}, {direction}. Nommez les causes.",
    ),
    "describe": (
        "Décrivez la qualité de cette parole et terminez par son MOS.",
        "En quelques phrases, comment sonne cet extrait ? Finissez par le MOS (1 à 5).",
        "Décrivez le bruit, le timbre, les coupures et le niveau ; la dernière phrase donne le MOS.",
        "Rédigez un texte sur la qualité du son qui se conclut par un MOS.",
    ),
    "assess": (
        "Évaluez cette parole critère par critère ({dimensions}), puis résumez avec des mots.",
        "Passez en revue ces critères : {dimensions}. Donnez ensuite votre évaluation.",
        "Notez d'abord chaque critère ({dimensions}), décrivez ensuite la qualité de la parole.",
        "En expert de la parole, examinez les points suivants et concluez par un commentaire : {dimensions}.",
    ),
    "compare": (
        "Quel extrait est le meilleur, A ou B ? Nommez les aspects décisifs ({aspects}), puis votre choix.",
        "Comparez les deux extraits de parole selon ces aspects ({aspects}) et choisissez-en un.",
        "Faites un test A/B : quelle parole préférez-vous, et sur lesquels de ces aspects l'emporte-t-elle ({aspects}) ?",
        "Dites en quoi A et B diffèrent ({aspects}) et lequel est le meilleur ; l'égalité est permise.",
    ),
    "compare_dimensions": (
        "Comparez A et B point par point ({dimensions}), puis résumez.",
        "Pesez chaque critère ({dimensions}) pour les deux extraits et rédigez une comparaison.",
        "Pour chaque critère ({dimensions}), quel extrait est le meilleur ? Ensuite, un résumé.",
        "En expert, opposez A et B critère par critère : {dimensions}.",
    ),
    "compare_question": (
        "Pour le critère « {label} », quel extrait est le meilleur, A ou B ?",
        "Lequel des deux extraits l'emporte pour « {label} » ?",
        "Comparez les extraits A et B pour « {label} ».",
        "A ou B : qui est devant pour « {label} » ?",
    ),
    "suggest": (
        "Que faudrait-il améliorer dans cette parole ? Une suggestion par ligne.",
        "Cherchez les points faibles, puis proposez un remède par ligne.",
        "Comment améliorer cet enregistrement ? Dressez une liste de suggestions.",
        "Donnez au locuteur des conseils concrets, un par ligne.",
    ),
    "detect": (
        "Cette parole est-elle authentique ou fausse ?",
        "Une personne ou une machine parle-t-elle ? Répondez par authentique ou fausse.",
        "Serait-ce un deepfake ? Répondez par authentique ou fausse.",
        "Cherchez des traces de synthèse et dites si la voix est authentique ou fausse.",
    ),
    "detect_question": (
        "Cette parole est-elle fausse ?",
        "Cette voix a-t-elle été produite par une machine ?",
        "Cette parole est-elle synthétique ?",
        "Est-ce un deepfake ?",
    ),
    "rate": (
        "{definition} Notez « {label} » de {low} à {high} : {ends}.",
        "Votre tâche est d'évaluer « {label} ». {definition} L'échelle va de {low} à {high}.",
        "Donnez pour « {label} » une note entre {low} et {high}, où {ends}.",
        "Barème : {definition} Étendue : de {low} à {high}.",
    ),
    "rate_cues": (
        "Donnez maintenant la note de cet extrait.",
        "La note de ce son est :",
        "Répondez par la note seulement.",
    ),
}

HELD_OUT = {
    "reference_notes": (
        "La référence montre comment l'extrait dégradé devrait sonner ; seul l'extrait dégradé est à juger.",
    ),
    "decide": ("Que pensez-vous du critère « {label} » ?", "Déterminez le niveau de l'extrait pour « {label} »."),
    "score": (
        "Combien de points, de {low} à {high}, méritent d'être donnés pour « {label} » ?",
        "Chiffrez « {label} » entre {low} et {high}. {definition}",
    ),
    "categorize": (
        "Lequel résume le mieux « {label} » : {levels} ?",
        "Indiquez une catégorie pour « {label} » parmi {levels}.",
    ),
    "profile": (
        "Pour chacun des critères, écrivez le nom et une note de {low} à {high} : {labels}.",
        "Où se situe cet extrait sur ces critères : {labels} ? De {low} à {high}.",
    ),
    "explain": (
        "Fournissez les notes ({labels}, de {low} à {high}) et ce qui les justifie.",
        "Analysez cette parole : {labels}, de {low} à {high}, et consignez les défauts.",
    ),
    "describe": (
        "Donnez une impression verbale de cette parole qui s'achève sur son MOS.",
        "Racontez cet extrait à quelqu'un qui ne peut pas l'entendre ; finissez par le MOS.",
    ),
    "assess": (
        "Analysez à fond cette parole ({dimensions}) et finissez par une conclusion écrite.",
        "Livrez un avis d'expert qui tienne compte de ces critères : {dimensions}.",
    ),
    "compare": (
        "Entre A et B, où va votre préférence ? Appuyez-la sur ces aspects : {aspects}.",
        "S'il ne fallait en garder qu'un, A ou B ? Discutez d'abord ces aspects : {aspects}.",
    ),
    "compare_dimensions": (
        "Évaluez les différences entre A et B au regard de ces critères : {dimensions}.",
        "Rédigez une critique comparée fondée sur ces critères : {dimensions}.",
    ),
    "compare_question": ("Pour « {label} », préférez-vous A ou B ?", "Désignez le gagnant pour « {label} »."),
    "suggest": (
        "Si l'on recommençait la prise, que faudrait-il faire autrement ? Une idée par ligne.",
        "Repérez ce qui nuit à cet extrait et dites comment y remédier.",
    ),
    "detect": (
        "Vraie prise de voix ou imitation logicielle ? Dites authentique ou fausse.",
        "Rendez votre verdict sur l'authenticité : authentique ou fausse.",
    ),
    "detect_question": ("Cette voix a-t-elle été générée ?",),
    "rate": (
        "Considérez « {label} » dans ce que vous entendez. {definition} Répondez entre {low} et {high}.",
        "Si {ends}, que vaut « {label} » ?",
    ),
    "rate_cues": ("Indiquez la valeur obtenue.",),
}

_VERDICTS = (
    "La qualité globale est {level}.",
    "Dans l'ensemble, la qualité est {level}.",
    "Au total, je trouve la qualité {level}.",
)
_RATED = ("Pour le critère « {label} », je dirais « {level} ».",)
TEXTS = {
    "higher_is_better": ("le plus haut est le meilleur",),
    "except_for": (" sauf pour ces critères : {labels}",),
    "ends": ("{low} veut dire « {lowest} » et {high} « {highest} »",),
    "ends_middle": ("{low} veut dire « {lowest} » et {high} « {highest} », {middle} étant le mieux",),
    "frames": (
        "On entend {cause}.",
        "L'extrait présente {cause}.",
        "On remarque {cause}.",
        "L'une des raisons est {cause}.",
    ),
    "verdicts": _VERDICTS,
    "rated": _RATED,
    "described": (),
    "described_overall": _VERDICTS,
    "endings": ("Le MOS global est de {mos}.", "Je lui donne un MOS de {mos}.", "Tout bien pesé, le MOS est de {mos}."),
    "assess_header": ("Une ligne par critère, avec des remarques :",),
    "assessed_overall": _VERDICTS,
    "assessed_rate": ("Le débit est {level}.",),
    "assessed_intelligibility": ("Le texte est {level}.",),
    "assessed_distortion": ("Le son est {level}.",),
    "assessed_dynamic_range": ("Le passage du doux au fort est {level}.",),
    "assessed_emotional_impact": ("Le ton est {level}.",),
    "assessed_artistic_expression": ("Le jeu de la voix est {level}.",),
    "assessed_subjective_experience": ("Le tout est {level} à écouter.",),
    "clean": ("L'extrait est propre.", "Je n'entends aucun défaut."),
    "distortion_sentences": ("On entend ceci : {kind}{when}.", "Défaut relevé : {kind}{when}."),
    "when": (" de {start} à {end} s",),
    "part": ("De {start} à {end} : ",),
    "emotions": ("Émotion perçue : {emotion}.", "L'humeur est la suivante : {emotion}."),
    "speakers": ("Voix : {speaker}.", "Profil du locuteur : {speaker}."),
    "compare_header": ("Les deux extraits, une ligne par critère :",),
    "anything": ("tout ce que vous remarquez",),
    "wins": (
        "{winner} est nettement meilleur que {loser} sur ces points : {aspects}.",
        "{winner} l'emporte sur {loser} dans ces domaines : {aspects}.",
        "{winner} surpasse {loser} sous ces aspects : {aspects}.",
    ),
    "same": ("Aucun aspect ne les sépare clairement.", "Les extraits ne diffèrent guère."),
    "choices": ("Je préfère {winner}.", "Mon choix est {winner}.", "Dans l'ensemble, {winner} sonne mieux."),
    "ties": ("Je n'ai pas de préférence.", "Au total, personne ne gagne."),
    "verdict_a": ("A est meilleur que B",),
    "verdict_b": ("B est meilleur que A",),
    "verdict_tie": ("A et B se valent",),
    "tie_ending": ("",),
    "distortion_details": ("Détails de la distorsion",),
    "speaker_details": ("Détails de la voix",),
    "none": ("rien",),
    "summary_a": ("Dans l'ensemble, A est meilleur.", "A est le meilleur extrait."),
    "summary_b": ("Dans l'ensemble, B est meilleur.", "B est le meilleur extrait."),
    "summary_tie": ("Dans l'ensemble, les extraits se valent.", "Au bout du compte, c'est une égalité."),
    "leads": ("{winner} est devant sur ces points : {aspects}.",),
    "alike": ("Ils se valent sur ces points : {aspects}.",),
    "hears": ("Dans {clip}, on relève ceci : {kinds}.",),
    "suggest_header": ("Les critères les moins bien notés sont à travailler d'abord.",),
    "areas": ("Points à améliorer",),
    "nothing_sounds": ("On n'entend rien dans l'extrait : il n'y a pas de parole à juger.",),
    "no_advice": ("Aucune amélioration n'est nécessaire.", "L'extrait est bon tel quel ; rien n'est à changer."),
    "real": ("authentique",),
    "fake": ("fausse",),
}

CAUSES = {
    "noise": CauseWords(
        (
            ("un léger bruit de fond",),
            ("un bruit de fond notable", "un bruit de fond gênant"),
            ("un fort bruit de fond",),
        ),
        ("Il couvre les sons faibles.", "Il reste sous la voix."),
        r"bruits? de fond|bruit ambiant",
    ),
    "packet_loss": CauseWords(
        (
            ("quelques paquets perdus",),
            ("plusieurs paquets perdus", "une perte de paquets notable"),
            ("de nombreux paquets perdus",),
        ),
        ("Cela laisse des trous dans les mots.", "Des morceaux de mots manquent."),
        r"paquets perdus|pertes? de paquets",
    ),
    "jitter": CauseWords(
        (("une légère gigue",), ("une gigue notable",), ("une forte gigue", "une gigue sévère")),
        ("Cela fait trébucher la parole.", "Le rythme des mots est inégal."),
        r"gigue|jitter|paquets en retard",
    ),
    "time_clipping": CauseWords(
        (
            ("quelques mots tronqués",),
            ("plusieurs mots tronqués", "plusieurs trous muets"),
            ("de nombreux mots tronqués",),
        ),
        ("De courts passages deviennent muets.", "Des sons s'arrêtent net."),
        r"mots tronqués|trous muets|troncatures?",
    ),
    "band_limit": CauseWords(
        (
            ("une légère limitation de bande",),
            ("une limitation de bande notable", "une bande passante réduite"),
            ("une forte limitation de bande", "une bande passante très réduite"),
        ),
        ("Une partie du spectre a disparu.", "La voix perd de son ampleur."),
        r"limitation de (?:la )?bande|bande(?: passante)? (?:très )?(?:limitée|réduite|étroite)",
    ),
    "filter": CauseWords(
        (("un léger filtrage",), ("un filtrage notable", "une pente du spectre notable"), ("un fort filtrage",)),
        ("L'équilibre de la voix en est changé.", "Certains sons ressortent, d'autres s'effacent."),
        r"filtrage|filtrée?|pente du spectre",
    ),
    "notch": CauseWords(
        (("un léger creux dans le spectre",), ("un net creux dans le spectre",), ("un profond creux dans le spectre",)),
        ("Une plage de fréquences manque.", "La voix sonne creux."),
        r"creux dans le spectre|trou dans le spectre|coupe-bande",
    ),
    "codec": CauseWords(
        (
            ("de légers artefacts de codage",),
            ("des artefacts de codage notables", "des traces de codec audibles"),
            ("de forts artefacts de codage", "de sévères traces de codec"),
        ),
        ("La voix a été comprimée dans trop peu de bits.", "Cela rend la voix rugueuse."),
        r"artefacts? de codage|codec|artefacts? de compression",
    ),
    "clipping": CauseWords(
        (
            ("un léger écrêtage",),
            ("un écrêtage notable", "une saturation audible"),
            ("un fort écrêtage", "une forte saturation"),
        ),
        ("La voix sonne dure.", "Les crêtes de l'onde sont aplaties."),
        r"écrêtages?|écrêtée?|saturation",
    ),
    "quantisation": CauseWords(
        (
            ("une légère distorsion de quantification",),
            ("une distorsion de quantification notable",),
            ("une forte distorsion de quantification",),
        ),
        ("Les paliers du signal sont grossiers.", "La voix a du grain."),
        r"quantification",
    ),
    "noise_suppression": CauseWords(
        (
            ("une légère réduction de bruit",),
            ("une réduction de bruit audible",),
            ("une réduction de bruit excessive",),
        ),
        ("Une part de la voix est partie avec le bruit.", "La voix est mince et comme sous l'eau."),
        r"(?:réduction|suppression) (?:de|du) bruit|débruitage",
    ),
    "vocoder": CauseWords(
        (
            ("un léger son de vocodeur",),
            ("un son de vocodeur notable", "un son de machine"),
            ("un fort son de vocodeur",),
        ),
        ("La voix bourdonne.", "La voix a été reconstruite par un programme."),
        r"vocodeur|son de machine",
    ),
    "reverberation": CauseWords(
        (
            ("une légère réverbération",),
            ("une réverbération notable", "un écho de salle audible"),
            ("une forte réverbération",),
        ),
        ("La voix paraît lointaine.", "Les sons se mêlent les uns aux autres."),
        r"réverbération|réverbérée?|écho de salle",
    ),
    "echo": CauseWords(
        (("un léger écho",), ("un écho notable", "une répétition de la voix"), ("un fort écho",)),
        ("Les mots reviennent un instant plus tard.", "On entend la voix deux fois."),
        r"échos?(?! de salle)|répétition de la voix",
    ),
    "channel": CauseWords(
        (("un léger son de téléphone",), ("un son de téléphone notable",), ("un fort son de téléphone",)),
        ("La parole est passée par un réseau.", "On croirait entendre un appel."),
        r"son de téléphone|son téléphonique",
    ),
    "clicks": CauseWords(
        (
            ("quelques clics",),
            ("plusieurs clics", "des craquements audibles"),
            ("de nombreux clics", "de forts craquements"),
        ),
        ("Des sons brefs et secs s'intercalent.", "Cela détourne l'attention des mots."),
        r"clics?|craquements?|crépitements?",
    ),
    "level": CauseWords(
        (
            ("Le volume est un peu {direction}.",),
            ("Le volume est nettement {direction}.",),
            ("Le volume est beaucoup {direction}.",),
        ),
        ("On a envie de toucher au réglage du son.", "L'écoute en devient pénible."),
        r"volume est (?:(?:un peu|nettement|beaucoup|bien) )*(?:trop (?:faible|bas|fort|élevé)|à côté du bon réglage)",
    ),
    "pumping": CauseWords(
        (
            ("un léger pompage",),
            ("un pompage notable", "un gain instable"),
            ("un fort pompage", "un gain très instable"),
        ),
        ("La voix enfle et retombe.", "L'intensité ne se pose jamais."),
        r"pompage|gain (?:très )?instable",
    ),
    "speed": CauseWords(
        (
            ("La lecture est un peu {direction}.",),
            ("La lecture est nettement {direction}.",),
            ("La lecture est beaucoup {direction}.",),
        ),
        ("La hauteur n'est pas celle du locuteur.", "Le tempo n'est pas naturel."),
        r"lecture est (?:(?:un peu|nettement|beaucoup|bien) )*(?:trop (?:lente|rapide)|à côté du bon tempo)",
    ),
    "wow": CauseWords(
        (("un léger pleurage",), ("un pleurage notable",), ("un fort pleurage", "un pleurage sévère")),
        ("La hauteur monte et descend.", "Les sons tenus flottent."),
        r"pleurages?",
    ),
}

DIMENSIONS = {
    "noisiness": (
        ("La voix se noie dans le bruit.", "Le bruit couvre presque toute la parole."),
        ("La parole est bruitée.", "Le bruit gêne la voix."),
        ("Il y a du bruit.", "Le bruit s'entend, mais la voix reste devant."),
        ("Il n'y a qu'un peu de bruit.", "Il reste une trace de bruit."),
        ("La parole est propre.", "On n'entend pas de bruit."),
    ),
    "coloration": (
        ("La voix sonne de façon très artificielle.", "Le timbre est ruiné."),
        ("La voix ne sonne pas naturelle.", "Le timbre est très altéré."),
        ("Le timbre est altéré.", "La voix n'est pas tout à fait naturelle."),
        ("La voix est presque naturelle.", "Le timbre est un peu altéré."),
        ("La voix sonne naturelle.", "Le timbre est naturel."),
    ),
    "discontinuity": (
        ("La parole est en morceaux.", "La parole est sans cesse coupée, bien des mots sont perdus."),
        ("La parole est souvent coupée.", "Les mots sont hachés à maintes reprises."),
        ("La parole est parfois coupée.", "Quelques mots sont hachés."),
        ("Les coupures sont très rares.", "La parole est presque continue."),
        ("La parole s'écoule sans coupure.", "Rien n'interrompt la parole."),
    ),
    "loudness": (
        ("Le niveau sonore est très inadapté.", "Le niveau sonore ne convient pas du tout."),
        ("Le niveau sonore est inadapté.", "Le niveau sonore ne convient pas."),
        ("Le niveau sonore n'est pas tout à fait juste.", "Le niveau sonore est assez inadapté."),
        ("Le niveau sonore est presque juste.", "Le niveau sonore convient à la plupart."),
        ("Le niveau sonore est juste.", "Le niveau sonore convient."),
    ),
}

# What denies a word before it and after it, within the clause
_DENIALS = (
    r"\b(?:pas|sans|aucune?|ni|jamais|guère|exempte? de|dépourvue? de|ne|n['’]\w+)\s+"
    r"(?:(?:de\s+|d['’])?(?:[\w-]+\s+){0,3}(?:de\s+|d['’])?)$",
    r"^\s+(?:ne (?:s'entend|se remarque)|n['’]est pas|n['’]existe)",
)

# fmt: off
ASKED = Asked(
    frames=(
        "{}", "y a-t-il {}", "est-ce qu'il y a {}", "il y a {}", "entend-on {}", "entendez-vous {}", "entends-tu {}", "est-ce qu'on entend {}",
    ),
    things={
        "noise": ("du bruit", "du bruit de fond", "un bruit de fond", "bruit de fond", "bruit", "du bruit derrière la voix"),
        "dropouts": ("des coupures", "une coupure", "coupures", "des interruptions", "des trous", "des décrochages", "une interruption"),
        "packet_loss": ("des pertes de paquets", "une perte de paquets", "pertes de paquets", "perte de paquets"),
        "band_limit": ("une limitation de bande", "une bande limitée"),
        "codec": (
            "une distorsion de codage", "une distorsion du codage", "des artefacts de codage", "des artefacts de compression", "artefacts de codage",
        ),
        "clipping": ("de l'écrêtage", "un écrêtage", "écrêtage"),
        "reverberation": ("de la réverbération", "une réverbération", "réverbération"),
        "noise_suppression": ("des traces de réduction de bruit", "des traces de suppression de bruit"),
        "vocoder": ("des artefacts de vocodeur",),
        "clicks": ("des clics", "un clic", "clics", "des craquements", "craquements", "des crépitements"),
        "quantisation": ("du bruit de quantification", "un bruit de quantification"),
        "noise_bursts": ("des bouffées de bruit", "une bouffée de bruit"),
        "level_changes": ("des sauts de niveau", "un saut de niveau"),
    },
    whole={
        "noise": ("est-ce bruyant", "est-ce que c'est bruyant", "c'est bruyant", "est-il bruyant", "est-elle bruyante"),
        "dropouts": ("est-ce que ça coupe", "ça coupe", "est-il coupé par endroits", "manque-t-il des passages"),
        "band_limit": ("la bande passante est-elle limitée", "la bande est-elle limitée"),
        "clipping": ("le signal est-il écrêté", "est-il écrêté"),
        "level": ("est-ce trop faible ou trop fort", "est-ce trop fort ou trop faible", "le niveau est-il mauvais"),
        "reverberation": ("est-ce réverbérant", "la voix est-elle réverbérante", "est-elle réverbérante"),
        "fake": (
            "est-ce un faux", "est-ce un deepfake", "est-elle fausse", "est-elle synthétique", "est-elle artificielle",
            "est-ce une voix de synthèse", "est-ce une voix synthétique",
        ),
    },
    beside=r"\b(?:dans|sur) (?:l'|cet? |cette |le |la )(?:enregistrement|extrait|audio|fichier|voix|parole|son|signal|clip)\b",
    subjects=r"\b(?:cet|l') ?(?:enregistrement|extrait)\s+(?=est-il)|\b(?:la|cette) (?:voix|parole)\s+(?=est-elle (?:bruyante|fausse|synthétique|artificielle))",
    it="",
)
# fmt: on

LANGUAGE = Language(
    code="fr",
    name="français",
    marks={
        "colon": " : ",
        "comma": ", ",
        "and": " et ",
        "series": ", ",
        "semicolon": " ; ",
        "open": " (",
        "close": ")",
        "space": " ",
        "decimal": ",",
    },
    patterns={
        "clause_end": CLAUSE_END,
        "real": r"authentique|réel(?:le)?|vraie?|humaine?|véritable",
        "fake": r"fausse|faux|synthétique|artificiel(?:le)?|deep[- ]?fake|générée?|falsifiée?|trafiquée?",
        "too_quiet": r"(?:trop|très) (?:faible|bas|basse|doux|douce|discret|discrète)s?|pas assez fort|inaudible",
        "too_loud": r"(?:trop|très) (?:fort|élevé|bruyant)e?s?|pas assez (?:faible|bas)|assourdissant",
        "judged": judged_anywhere(
            better=r"meilleure?|mieux|l['’]emporte|surpasse|devance|supérieure?|devant|bat",
            worse=r"moins bo(?:n|nne)|pire|inférieure?|derrière|moins bien",
        ),
        "reversed": r"(?:par rapport à|comparé à|à côté de|contrairement à)\s*$",
        "verdict_a": "a est meilleur que b",
        "verdict_b": "b est meilleur que a",
        "verdict_tie": "a et b se valent",
    },
    denials=dict.fromkeys(("cause", "level", "verdict", "winner"), _DENIALS),
    numbers=(
        (rf"\b(?:de|entre)\s+({_N})\s+(?:à|et)\s+({_N})", r" \1 to \2 "),
        (rf"({_N})\s+sur\s+({_N})", r"\1/\2"),
    ),
    rubrics=RUBRICS,
    phrasings=PHRASINGS,
    held_out=HELD_OUT,
    texts=TEXTS,
    names={
        "distortions": {
            "artifacts": "artefacts",
            "jitter": "gigue",
            "timbre & quality": "timbre et qualité",
            "background noise": "bruit de fond",
            "drop / missing": "perte ou manque",
        },
        "heard": {
            "artifacts": "des artefacts",
            "jitter": "de la gigue",
            "timbre & quality": "un timbre altéré",
            "background noise": "un bruit de fond",
            "drop / missing": "des passages manquants",
        },
        "genders": {"male": "masculin", "female": "féminin", "unclear": "indéterminé"},
        "titles": {
            "mos": "Qualité globale",
            "intelligibility": "Intelligibilité",
            "distortion": "Distorsion",
            "speech_rate": "Débit de parole",
            "dynamic_range": "Dynamique",
            "emotional_impact": "Impact émotionnel",
            "artistic_expression": "Expression artistique",
            "subjective_experience": "Agrément d'écoute",
        },
    },
    directions={
        "level": ("trop faible", "trop fort", "à côté du bon réglage"),
        "speed": ("trop lente", "trop rapide", "à côté du bon tempo"),
    },
    dimensions=DIMENSIONS,
    descriptions=DIMENSIONS,
    causes=CAUSES,
    advice={
        "mos": (
            "Refaites la prise dans une pièce calme avec un meilleur micro.",
            "Vérifiez toute la chaîne, du micro au fichier.",
        ),
        "intelligibility": ("Articulez plus nettement les consonnes.", "Prononcez les fins de mots jusqu'au bout."),
        "distortion": (
            "Baissez le gain d'entrée et évitez les traitements lourds.",
            "Utilisez un codec à débit plus élevé.",
        ),
        "speech_rate": (
            "Rapprochez le débit de celui d'un exposé calme.",
            "Ajustez la vitesse et laissez de courtes pauses.",
        ),
        "dynamic_range": (
            "Adoucissez le passage entre le fort et le doux.",
            "Allégez la compression pour laisser respirer la voix.",
        ),
        "emotional_impact": (
            "Mettez plus de sentiment dans les mots importants.",
            "Parlez en pensant à un auditeur qui vous est cher.",
        ),
        "artistic_expression": (
            "Variez la mélodie et le rythme pour modeler chaque phrase.",
            "Placez les accents avec plus d'intention.",
        ),
        "subjective_experience": ("Cherchez une voix plus chaude et plus détendue.", "Adoucissez les sons durs."),
    },
    distortion_advice={
        "artifacts": ("Évitez les codages successifs, qui laissent des artefacts.", "Modérez la réduction de bruit."),
        "jitter": (
            "Agrandissez le tampon de gigue ou prenez une liaison stable.",
            "Corrigez le rythme inégal du signal.",
        ),
        "timbre & quality": ("Annulez le filtrage qui change le timbre.", "Utilisez un micro à réponse plate."),
        "background noise": ("Éloignez-vous de la source du bruit.", "Réduisez le bruit de fond avec mesure."),
        "drop / missing": ("Réenregistrez les parties manquantes.", "Utilisez une liaison qui ne perd pas de paquets."),
        "level": (
            "Ramenez le niveau à celui d'un enregistrement de parole ordinaire.",
            "Réglez le gain pour que la parole ne soit ni trop faible ni trop forte.",
        ),
        "clipping": (
            "Baissez le niveau d'enregistrement pour qu'aucune crête ne soit coupée.",
            "Réduisez le gain d'entrée de 6 à 12 dB et réenregistrez.",
        ),
        "codec": (
            "Ne codez la parole qu'une fois, à un débit plus élevé.",
            "Choisissez un codec fait pour la parole à ce débit.",
        ),
        "noise suppression": (
            "Modérez le débruitage, qui abîme la voix.",
            "Atténuez le bruit de 10 dB au plus et préservez la voix.",
        ),
        "reverberation": (
            "Rapprochez-vous du micro pour que l'on entende moins la pièce.",
            "Amortissez la pièce avec des rideaux ou des tapis.",
        ),
        "echo": ("Utilisez un casque ou un annuleur d'écho.", "Éloignez le haut-parleur du micro."),
        "clicks": (
            "Cherchez d'où viennent les clics : une fiche lâche ou des tampons vides.",
            "Réparez les clics avec un outil de restauration.",
        ),
        "band limit": (
            "Transmettez la parole par une liaison à large bande.",
            "Enregistrez à 16 kHz ou plus et gardez les aigus.",
        ),
    },
    asked=ASKED,
)
