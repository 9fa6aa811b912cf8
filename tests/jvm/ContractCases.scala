package io.sparkweld
package contract

import java.lang.reflect.ParameterizedType
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path}
import java.util.jar.JarFile

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode

/** Compares the case classes of the contract with `sparkweld/contract/schema.json`, by reflection. */
object ContractCases {
  /** Keys of each message; only requests about functions state a limit of CPU time. */
  private val envelope = Encoder.keys(classOf[Envelope]).toSet + "cpuMs"
  private val ofReplies = Encoder.keys(classOf[Dependencies]).toSet + "id" + "status"

  /** Definitions that are only parts of others, types of Spark, or statuses without content. */
  private val abstractParts = Set("AnyRequest", "AnyReply", "SparkType", "StructField", "StructType", "StructArray", "Request", "PipelineRequest",
    "Reply", "FunctionReply", "StatusReply")

  /** Requests about functions, which are one class here. */
  private val questions = Set("CompileRequest", "AggregateRequest", "PartsRequest", "SideConditionRequest", "PartialRequest", "CascadeRequest",
    "RankingRequest")

  /** Classes without a definition: those that are spread over messages, and the constants. */
  private val undefined = Set("Envelope", "OrNull", "Dependencies", "Constants", "Limits", "EvalTypeNumbers", "ModelMemoryHead", "Environment",
    "Certificates", "WorkerPipelines", "SumTerms")

  private final case class Key(isRequired: Boolean, isNullable: Boolean)

  /** Returns the differences between the schema and the classes; or how many classes were compared. */
  def differences(schema: Path, jar: Path): String = {
    val definitions = Encoder.read(Files.readString(schema, UTF_8)).get("$defs")
    val defined = definitions.fieldNames().asScala.toSet -- abstractParts
    val classes = new JarFile(jar.toFile).entries().asScala.map(_.getName).collect {
      case name if name.matches("io/sparkweld/contract/\\w+\\.class") => Class.forName(name.stripSuffix(".class").replace('/', '.'))
    }.filter(found => classOf[Product].isAssignableFrom(found) && !java.lang.reflect.Modifier.isAbstract(found.getModifiers))
      .map(found => found.getSimpleName -> found).toMap[String, Class[_]] -- undefined
    val compared = classes.toSeq.sortBy(_._1).flatMap {
      case ("CompileRequest", found) => compare("CompileRequest", found, questions.toSeq.map(name => keysOf(definitions, name)), isReply = false)
      case (name, found) if defined(name) => compare(name, found, Seq(keysOf(definitions, name)), isReply(definitions, name))
      case (name, _) => Seq(s"$name is not in the schema")
    }
    val missing = (defined -- questions -- classes.keys).toSeq.sorted.map(name => s"$name is no class")
    val found = compared ++ missing ++ operations(Encoder.read(Files.readString(schema, UTF_8)).get("operations"))
    if (found.isEmpty) s"${classes.size} classes, no differences" else found.mkString("\n")
  }

  /** Compares the questions about functions with the operations of the schema, and their answers. */
  private def operations(defined: JsonNode): Seq[String] = {
    val own = Operation.getClass.getDeclaredMethods.filter(_.getReturnType == classOf[Operation[_]]).map { method =>
      val answer = method.getGenericReturnType.asInstanceOf[ParameterizedType].getActualTypeArguments.head.asInstanceOf[Class[_]]
      method.invoke(Operation).asInstanceOf[Operation[_]].name -> answer.getSimpleName
    }.toSet
    val others = Set("hello", "shutdown", "object")
    val expected = defined.properties().asScala.filter(found => found.getValue.isObject && !others(found.getKey)).map { operation =>
      operation.getKey -> operation.getValue.at("/reply/$ref").asText.stripPrefix("#/$defs/")
    }.toSet
    (own -- expected).map(found => s"$found is no operation of the schema").toSeq ++ (expected -- own).map(found => s"$found is missing")
  }

  private def isReply(definitions: JsonNode, name: String): Boolean =
    name == "HelloReply" || name == "ObjectReply" || name == "ErrorReply" || keysOf(definitions, name).contains("status")

  private def compare(name: String, found: Class[_], alternatives: Seq[Map[String, Key]], isReply: Boolean): Seq[String] = {
    val ignored =
      if (isReply) ofReplies else if (name.endsWith("Request")) envelope else Set("kind").filter(_ => classOf[Step].isAssignableFrom(found))
    val expected = alternatives.map(_ -- ignored)
    val all = expected.flatMap(_.keys).toSet
    val own = Encoder.keys(found).toSet -- ignored
    // The encoder pairs fields with values in the order of declaration.
    val fields = found.getConstructors.head.getParameterTypes.toSeq == Encoder.keys(found).map(key => found.getDeclaredField(key).getType)
    val keys = (all -- own).map(key => s"$name lacks $key") ++ (own -- all).map(key => s"$name.$key is not in the schema")
    Option.unless(fields)(s"$name has fields in another order").toSeq ++ keys.toSeq.sorted ++ found.getDeclaredFields.filter(field => all(field.getName) && own(field.getName)).toSeq.flatMap { field =>
      val (key, kind) = (field.getName, field.getType)
      val isRequired = expected.forall(_.get(key).exists(_.isRequired))
      val isNullable = expected.exists(_.get(key).exists(_.isNullable))
      val isOption = kind == classOf[Option[_]]
      if (isReply && !isOption && (!isRequired || isNullable)) Some(s"$name.$key may be missing or null")
      else if (!isReply && isOption && isRequired && !isNullable) Some(s"$name.$key is required")
      else if (kind == classOf[OrNull[_]] && !isNullable) Some(s"$name.$key must not be null")
      else None
    }
  }

  /** Returns the keys of a definition and of those that it extends. */
  private def keysOf(definitions: JsonNode, name: String): Map[String, Key] = {
    val definition = definitions.get(name)
    val bases = definition.path("allOf").elements().asScala.map(_.path("$ref").asText.stripPrefix("#/$defs/"))
    val required = definition.path("required").elements().asScala.map(_.asText).toSet
    bases.foldLeft(Map.empty[String, Key])((keys, base) => keys ++ keysOf(definitions, base)) ++
      definition.path("properties").properties().asScala.map { property =>
        property.getKey -> Key(required(property.getKey), isNullable(property.getValue))
      }
  }

  private def isNullable(of: JsonNode): Boolean =
    of.path("type").asText == "null" || of.path("type").elements().asScala.exists(_.asText == "null") ||
      of.path("anyOf").elements().asScala.exists(isNullable)

  /** Returns why these constants are unusable, or their protocol. */
  def constants(json: String): String = Constants.read(json.getBytes(UTF_8)).fold(identity, made => s"protocol ${made.protocol}")
}
