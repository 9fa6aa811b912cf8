package io.sparkweld.support

import java.nio.charset.StandardCharsets.UTF_8

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}

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
  def has(name: String): Boolean = Reasons.find(code).exists(_.traits(name))

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

  /** Reads one refusal of a compile reply. A missing field counts as empty. */
  def fromJson(json: JsonNode): Refusal = {
    def text(name: String): Option[String] = Option(json.get(name)).filterNot(_.isNull).map(_.asText)
    Refusal(
      code = text("code").getOrElse("SW512"),
      title = text("title").getOrElse(""),
      message = text("message").getOrElse(""),
      hint = text("hint").getOrElse(""),
      place = text("place").getOrElse(""),
      udf = text("udf"),
      step = Option(json.get("step")).filter(_.isInt).map(_.asInt))
  }
}

/** Loads the table of reason codes that both sides share: `sparkweld/reasons.json`, a resource of the jar. */
object Reasons {
  final case class Entry(title: String, category: String, message: String, hint: String, traits: Set[String])

  private val Resource = "sparkweld/reasons.json"

  private lazy val table: Map[String, Entry] = {
    val stream = getClass.getClassLoader.getResourceAsStream(Resource)
    if (stream == null) throw new IllegalStateException(s"$Resource is not in the jar: rebuild it")
    try {
      val json = new ObjectMapper().readTree(new String(stream.readAllBytes(), UTF_8))
      json.properties().asScala.map { field =>
        def text(name: String): String = Option(field.getValue.get(name)).map(_.asText).getOrElse("")
        val traits = Option(field.getValue.get("traits")).toSeq.flatMap(_.elements().asScala).map(_.asText).toSet
        field.getKey -> Entry(text("title"), text("category"), text("message"), text("hint"), traits)
      }.toMap
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
