package io.sparkweld
package support

import io.sparkweld.contract.{Decoder, Encoder, RefusalRecord}

import org.apache.spark.sql.catalyst.expressions.Expression
import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.execution.SparkPlan

/**
 * Records why a node or function stays as Spark planned it.
 *
 * `code` is stable and listed in reasons.json. `place`: function and line. `step`: the step of the pipeline request that it
 * concerns (None: the whole chain). `udf`: the function.
 */
final case class Refusal(
    code: String,
    title: String,
    message: String,
    hint: String,
    place: String = "",
    udf: Option[String] = None,
    step: Option[Int] = None) {

  /** What the reason is about. Rules branch on categories and traits, never on codes (`sparkweld/reasons.py` lists both). */
  def category: String = Reasons.find(code).fold("")(_.category)

  /** Whether the reason has the trait `name`. */
  def has(name: String): Boolean = Reasons.find(code).exists(_.traits.exists(_.contains(name)))

  /** Formats the refusal as one line for logs and for `explain`. */
  def text: String = {
    val where = if (place.isEmpty) "" else s" [$place]"
    val mend = if (hint.isEmpty) "" else s" ($hint)"
    s"$code $title: $message$where$mend"
  }
}

object Refusal {

  /** Returns the refusal `code` with the `<params>` of its message and hint filled in. */
  def apply(code: String, params: (String, String)*): Refusal = {
    val entry = Reasons.entry(code)
    def fill(text: String): String = params.foldLeft(text) { case (t, (name, value)) => t.replace(s"<$name>", value) }
    Refusal(code, entry.title, fill(entry.message), fill(entry.hint))
  }

  /** Returns one refusal of a reply. */
  def of(record: RefusalRecord): Refusal =
    Refusal(record.code, record.title, record.message, record.hint, record.place, record.udf, record.step)
}

/** Loads the table of reason codes that both sides share: `sparkweld/reasons.json`, a resource of the jar. */
object Reasons {
  final case class Entry(title: String, category: String, message: String, hint: String, traits: Option[Seq[String]])

  private val Resource = "sparkweld/reasons.json"

  private implicit val decoder: Decoder[Entry] = Decoder.of((Entry.apply _).curried)

  private lazy val table: Map[String, Entry] = {
    val stream = getClass.getClassLoader.getResourceAsStream(Resource)
    if (stream == null) throw new IllegalStateException(s"$Resource is not in the jar: rebuild it")
    try {
      Decoder.result[Map[String, Entry]](Encoder.read(stream.readAllBytes()))
        .fold(what => throw new IllegalStateException(s"in $Resource, $what"), identity)
    } finally stream.close()
  }

  def find(code: String): Option[Entry] = table.get(code)

  def entry(code: String): Entry =
    find(code).getOrElse(throw new IllegalStateException(s"reason code $code is not in $Resource"))
}

/**
 * Stores refusals on plan nodes, and on the logical nodes too: adaptive execution makes new physical nodes from the logical plan
 * and would lose them.
 */
object RefusalTags {
  /** Why a Filter or Project beside a UDF was not fused. The rule sets it again on the nodes of a new plan. */
  val Beside: TreeNodeTag[Seq[Refusal]] = TreeNodeTag[Seq[Refusal]]("sparkweld.beside")

  private val Tag = TreeNodeTag[Seq[Refusal]]("sparkweld.refusals")

  def set(node: SparkPlan, refusals: Seq[Refusal]): Unit = {
    node.setTagValue(Tag, refusals)
    node.logicalLink.foreach(_.setTagValue(Tag, refusals))
  }

  /** Sets the refusals of an aggregate UDF, which Spark passes unchanged from the logical plan to the physical one. */
  def set(udf: Expression, refusals: Seq[Refusal]): Unit = udf.setTagValue(Tag, refusals)

  def get(udf: Expression): Seq[Refusal] = udf.getTagValue(Tag).getOrElse(Nil)

  def get(node: SparkPlan): Seq[Refusal] =
    node.getTagValue(Tag).orElse(node.logicalLink.flatMap(_.getTagValue(Tag))).getOrElse(Nil)
}
