package io.sparkweld
package rules

import java.io.{ByteArrayInputStream, ByteArrayOutputStream, DataInputStream, DataOutputStream}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}
import java.util.HexFormat

import scala.jdk.CollectionConverters._

import io.sparkweld.compile.Frame
import io.sparkweld.contract.{ContractCases, Decoder, Encoder, Envelope, MessageCases, PlainRequest}
import io.sparkweld.contract
import io.sparkweld.support.{ExpressionCodec, ExpressionDecoder, UnsupportedExpression}

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.codegen.GenerateMutableProjection
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, Sort}
import org.apache.spark.sql.execution.python.sparkweld.CaseAnalysis.{expression, plan, table}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String

/**
 * Prints the results of the cases of a table: `BridgeCases FILE JAR`. A case is a line `> KIND INPUT`; its result follows it.
 *
 * It runs rules and codecs without a compile service. tests/jvm_bridge/test_cases.py compares the output with the
 * table, which is the only place that names a case.
 */
object BridgeCases {
  /** Kind -> the text of a case's result. */
  private val kinds: Map[String, String => String] = Map(
    "encode" -> encoded,
    "round-trip" -> roundTrip,
    "decode" -> (json => decoded(json).sql),
    "evaluate" -> evaluated,
    "sort" -> sorted,
    "rows" -> rows,
    "not-null" -> notNull,
    "frame" -> frame,
    "bytes" -> bytes,
    "constants" -> ContractCases.constants,
    "catalyst-equivalent" -> RuleCases.equivalent,
    "implied" -> RuleCases.implied,
    "unread" -> RuleCases.unread,
    "reductions" -> RuleCases.reductions,
    "fused" -> RuleCases.fused,
    "join-bounds" -> RuleCases.joinBounds,
    "partial" -> RuleCases.partial,
    "cascade" -> RuleCases.cascade,
    "ranking" -> RuleCases.ranking)

  def main(args: Array[String]): Unit =
    Files.readAllLines(Paths.get(args(0))).asScala.filter(_.startsWith("> ")).foreach { line =>
      val Array(kind, input) = line.drop(2).split(" ", 2)
      val result = try {
        lazy val file = Paths.get(args(0)).resolve(input).normalize
        if (kind == "contract") ContractCases.differences(file, Paths.get(args(1)))
        else if (kind == "messages") MessageCases.differences(file)
        else kinds(kind)(input)
      } catch {
        case unsupported: UnsupportedExpression => s"unsupported: ${unsupported.what}"
        case problem: Exception => s"${problem.getClass.getSimpleName}: ${problem.getMessage}"
      }
      println(line)
      println(result.stripTrailing)
    }

  // ---- ExpressionCodec and ExpressionDecoder

  private def columnOf(attribute: Attribute): contract.Expression = {
    if (!ExpressionCodec.holds(attribute.dataType)) throw new UnsupportedExpression(s"a column of type ${attribute.dataType.sql}")
    ExpressionCodec.column(attribute.name, attribute.dataType, attribute.nullable)
  }

  private def refused(what: String): Nothing = throw new UnsupportedExpression(what)

  private val codec = new ExpressionCodec(columnOf, (struct, _) => refused(struct.name), struct => refused(struct.name), words => refused(words.name), _ => refused("ML"))
  private val decoder = new ExpressionDecoder(name => table.output.find(_.name == name).getOrElse(refused(s"the column $name")))

  private def encoded(text: String): String = Encoder.text(codec.encode(expression(text)))

  private def decoded(json: String): Expression =
    decoder.decode(Decoder.result[contract.Expression](Encoder.read(json)).fold(what => refused(what), identity))

  /** Returns the expression that the decoder makes of the codec's JSON, which must be equal to the encoded one when not lossy. */
  private def roundTrip(text: String): String = {
    val first = codec.encode(expression(text))
    val made = decoded(Encoder.text(first))
    val again = codec.encode(made)
    made.sql + (if (again == first) "" else s"\nencoded again as ${Encoder.text(again)}")
  }

  // ---- expressions: interpreted and generated code agree on each row

  private val doubles = Seq[Any](0.0, -0.0, 1.0, -1.5, 2.5, Double.NaN, Double.PositiveInfinity, Double.NegativeInfinity, Double.MinPositiveValue, null)

  private def evaluated(json: String): String = {
    val bound = BindReferences.bindReference(decoded(json), table.output)
    val generated = GenerateMutableProjection.generate(Seq(bound))
    doubles.zip(doubles.reverse).map { case (x, y) =>
      val row = new GenericInternalRow(table.output.map {
        case a if a.name == "x" => x
        case a if a.name == "y" => y
        case a if a.dataType == IntegerType => Int.MinValue
        case a if a.dataType == LongType => Long.MinValue
        case a if a.dataType == StringType => UTF8String.fromString("text")
        case _ => null
      }.toArray[Any])
      val (one, other) = (shown(bound.eval(row)), shown(generated(row).get(0, bound.dataType)))
      val read = bound.collect { case BoundReference(at, DoubleType, _) => shown(row.get(at, DoubleType)) }
      s"${(read :+ "").mkString(" ")}-> $one${if (one == other) "" else s" interpreted, $other generated"}"
    }.distinct.mkString("\n")
  }

  private def shown(value: Any): String = value match {
    case null => "NULL"
    case text => text.toString
  }

  // ---- rules over logical plans

  /** Returns the plan's lines with expression ids numbered in order of appearance. */
  private[rules] def tree(plan: LogicalPlan): String = {
    val seen = scala.collection.mutable.LinkedHashMap.empty[String, Int]
    "#(\\d+)L?".r.replaceAllIn(plan.treeString, found => s"#${seen.getOrElseUpdate(found.group(1), seen.size)}")
  }

  private def sorted(text: String): String = tree(plan(text).transformUp { case sort: Sort => SortedCalls.byColumns(sort) })

  private def rows(text: String): String = {
    val made = plan(text)
    s"at most ${RowEstimate.atMost(made).fold("unknown")(_.toString)}, estimate ${RowEstimate.of(made, SQLConf.get)}"
  }

  private def notNull(text: String): String =
    CatalystEquivalents.columnsOf(Seq(plan(text))).map(a => s"${a.name} ${a.dataType.sql}${if (a.nullable) "" else " NOT NULL"}").mkString(", ")

  // ---- Frame

  /** Writes a request (`OP | hex | hex`, with its payloads), shows its bytes, and reads it back. */
  private def frame(text: String): String = {
    val parts = text.split('|').map(_.trim)
    val blobs = parts.tail.map(HexFormat.of().parseHex(_)).toSeq
    val envelope = Envelope(7, sent = Option.when(blobs.nonEmpty)(blobs.indices))
    val out = new ByteArrayOutputStream
    Frame.write(new DataOutputStream(out), PlainRequest(parts.head), envelope, blobs)
    s"${HexFormat.of().formatHex(out.toByteArray)}\n${read(out.toByteArray)}"
  }

  /** Reads bytes, in hexadecimal with quoted text, as a frame. */
  private def bytes(text: String): String = read(text.split(' ').flatMap {
    case quoted if quoted.startsWith("'") => quoted.drop(1).dropRight(1).getBytes(UTF_8)
    case hex => HexFormat.of().parseHex(hex)
  })

  private def read(data: Array[Byte]): String = {
    val in = new DataInputStream(new ByteArrayInputStream(data))
    val made = Frame.read(in)
    val blobs = made.blobs.map(blob => s"[${HexFormat.of().formatHex(blob)}]").mkString(" ")
    s"${made.json} $blobs status '${made.status}', ${in.available} bytes left"
  }
}
